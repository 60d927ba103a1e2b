"""`Targets`: the collections of the directory as things to search in and to write to."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from stepwell.streams.errors import StepwellError
from stepwell.streams.index.directory import Collection, Directory, DirectoryStore
from stepwell.streams.index.errors import WrongModel
from stepwell.streams.ports import Embedder, VectorIndex

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """A collection, the model that belongs to it, and its store."""

    collection: Collection
    embedder: Embedder
    index: VectorIndex


@dataclass(frozen=True, slots=True)
class Means:
    """How collections are opened and models are loaded; `load` is asked once for each model."""

    store: DirectoryStore
    open_index: Callable[[Collection], VectorIndex]
    load: Callable[[str], Awaitable[Embedder]]
    first: str
    """What the first collection is called, and the model of it."""
    first_model: str


class Targets:
    """One for each process: what it opens and loads stays open until `close`."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._indexes: dict[Collection, VectorIndex] = {}
        self._embedders: dict[str, Embedder] = {}
        self._loading = asyncio.Lock()

    async def directory(self) -> Directory:
        """As it is now; the first call of all times makes it."""
        found = await self._means.store.read()
        return found or await self._begin()

    async def replace(self, old: Directory, new: Directory) -> bool:
        """Store the directory, unless somebody was faster."""
        return await self._means.store.replace(old, new)

    async def find(self, name: str | None = None) -> Target:
        """The collection of this name, or the current one.

        Raises `UnknownCollection`, and `WrongModel` when the model at hand made other vectors.
        """
        return await self.target((await self.directory()).find(name))

    async def target(self, collection: Collection) -> Target:
        """This collection with its model, loaded; raises `WrongModel`."""
        embedder = await self.embedder(collection.model)
        if embedder.model_id != collection.model_id:
            raise WrongModel(collection.name, collection.model_id, embedder.model_id)
        return Target(collection, embedder, self.index(collection))

    def index(self, collection: Collection) -> VectorIndex:
        """The store of this collection; it connects when it is first called."""
        if collection not in self._indexes:
            self._indexes[collection] = self._means.open_index(collection)
        return self._indexes[collection]

    async def embedder(self, model: str) -> Embedder:
        """The model of this name, loaded."""
        async with self._loading:
            if model not in self._embedders:
                self._embedders[model] = await self._means.load(model)
        return self._embedders[model]

    async def ask_current(self, question: Callable[[Collection], Awaitable[T]]) -> T:
        """The answer of the current collection; of its successor, if it goes away meanwhile."""
        while True:
            current = (await self.directory()).current
            try:
                return await question(current)
            except StepwellError:
                if (await self.directory()).current == current:
                    raise

    async def close(self) -> None:
        """Close what was opened; models are closed by who gave them."""
        for index in self._indexes.values():
            await index.close()
        await self._means.store.close()

    async def _begin(self) -> Directory:
        """Of an index that has none yet: what it holds, if anything, is the first collection."""
        means = self._means
        embedder = await self.embedder(means.first_model)
        first = Collection(means.first, means.first_model, embedder.model_id, embedder.dimension)
        index = self.index(first)
        await index.open()
        anything = np.ones(first.dimension, np.float32)
        for hit in await index.search(anything, limit=1):
            if hit.model != first.model_id:
                raise WrongModel(first.name, hit.model, first.model_id)
        begun = Directory((first,))
        while not await means.store.replace(None, begun):
            if found := await means.store.read():
                return found
        return begun
