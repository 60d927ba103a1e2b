"""What an operator does with the collections of the index, and what every process opens of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from stepwell.streams.index.directory import Collection, Directory
from stepwell.streams.index.errors import CollectionBehind, CollectionExists, ModelMissing
from stepwell.streams.index.factory import make_directory, make_index
from stepwell.streams.index.targets import Means, Targets
from stepwell.streams.settings import Settings
from stepwell.streams.views import CollectionView
from stepwell.streams.wiring import load_embedder

if TYPE_CHECKING:
    from stepwell.models import Embedder


class Loads:
    """Who wants to know of the models that a process loads, when it loads them."""

    def __init__(self) -> None:
        self._loaded: list[Embedder] = []
        self._watchers: list[Callable[[Embedder], None]] = []

    def add(self, embedder: "Embedder") -> None:
        """A model was loaded."""
        self._loaded.append(embedder)
        for watcher in self._watchers:
            watcher(embedder)

    def watch(self, watcher: "Callable[[Embedder], None]") -> None:
        """Tell this of every model, those that are loaded already among them."""
        self._watchers.append(watcher)
        for embedder in self._loaded:
            watcher(embedder)


@asynccontextmanager
async def open_targets(settings: Settings, loads: Loads | None = None) -> AsyncIterator[Targets]:
    """The collections of the index, with the models they need; nothing is connected yet."""
    own = settings.index
    with ExitStack() as loaded:

        async def load(model: str) -> "Embedder":
            embedder = loaded.enter_context(await asyncio.to_thread(_load, settings, model))
            if loads is not None:
                loads.add(embedder)
            return embedder

        targets = Targets(
            Means(
                store=make_directory(own.url, own.collection),
                open_index=lambda one: make_index(
                    own.url, one.name, one.dimension, first=own.collection
                ),
                load=load,
                first=own.collection,
                first_model=settings.model.id,
            )
        )
        try:
            yield targets
        finally:
            await targets.close()


async def list_collections(settings: Settings) -> list[CollectionView]:
    """All collections, the current one first."""
    async with open_targets(settings) as targets:
        directory = await targets.directory()
        return [await _view(targets, directory, one) for one in directory.collections]


async def create_collection(settings: Settings, name: str, model: str) -> CollectionView:
    """An empty collection for a model; from now on live events are written to it as well."""
    async with open_targets(settings) as targets:
        embedder = await targets.embedder(model)
        added = Collection(name, model, embedder.model_id, embedder.dimension)
        (await targets.directory()).including(added)
        index = targets.index(added)
        await index.open()
        if await index.count():  # left by somebody else, or by a crash while it was dropped
            raise CollectionExists(name)
        directory = await _change(targets, lambda found: found.including(added))
        return await _view(targets, directory, added)


async def switch_collection(
    settings: Settings, name: str, *, incomplete: bool = False
) -> CollectionView:
    """Let searches go to this collection, at once; raises `CollectionBehind`."""
    async with open_targets(settings) as targets:
        directory = await targets.directory()
        chosen, current = directory.find(name), directory.current
        count, wanted = [await targets.index(one).count() for one in (chosen, current)]
        if count < wanted and not incomplete:
            raise CollectionBehind(name, count, current.name, wanted)
        directory = await _change(targets, lambda found: found.switched(name))
        return await _view(targets, directory, chosen)


async def drop_collection(settings: Settings, name: str) -> CollectionView:
    """Delete a collection that is not current, with all vectors in it."""
    async with open_targets(settings) as targets:
        directory = await targets.directory()
        view = await _view(targets, directory, directory.find(name))
        # Out of the directory first: then nobody writes to what is being deleted.
        await _change(targets, lambda found: found.without(name))
        await targets.index(directory.find(name)).drop()
        return view


async def _change(targets: Targets, change: Callable[[Directory], Directory]) -> Directory:
    while True:
        found = await targets.directory()
        changed = change(found)
        if await targets.replace(found, changed):
            return changed


async def _view(targets: Targets, directory: Directory, one: Collection) -> CollectionView:
    return CollectionView(
        name=one.name,
        model=one.model_id,
        dimension=one.dimension,
        documents=await targets.index(one).count(),
        current=one == directory.current,
    )


def _load(settings: Settings, model: str) -> "Embedder":
    from stepwell.models import ModelError

    if model != settings.model.id:
        settings = replace(settings, model=replace(settings.model, id=model, dir=None))
    try:
        return load_embedder(settings)
    except ModelError as error:
        raise ModelMissing(model, str(error)) from error
