"""Where puns are found again: the index of the settings, by its model or by words alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stepwell.streams.bindings.embedding import WordEmbedder
from stepwell.streams.collections import open_targets
from stepwell.streams.index.factory import make_directory, make_index
from stepwell.streams.index.targets import Means, Target, Targets
from stepwell.streams.settings import Settings

WORDS = "words"
"""What the model is called that needs none: puns with the same words are alike."""


@asynccontextmanager
async def open_shelf(settings: Settings, *, words: bool) -> AsyncIterator[Targets]:
    """The collections, not connected yet."""
    if not words:
        async with open_targets(settings) as targets:
            yield targets
        return
    own = settings.index
    targets = Targets(
        Means(
            store=make_directory(own.url, own.collection),
            open_index=lambda one: make_index(
                own.url, one.name, one.dimension, first=own.collection
            ),
            load=_word_embedder,
            first=own.collection,
            first_model=WORDS,
        )
    )
    try:
        yield targets
    finally:
        await targets.close()


async def _word_embedder(_: str) -> WordEmbedder:
    return WordEmbedder()


class Shelf:
    """The current collection, for many who may each give up: what is being loaded goes on."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._loading: asyncio.Task[Target] | None = None

    async def current(self) -> Target:
        """The collection that searches go to; raises what keeps it from being opened."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._targets.find())
            self._loading.add_done_callback(self._loaded)
        await asyncio.shield(self._loading)
        return await self._targets.find()

    async def close(self) -> None:
        """Let what is being loaded end."""
        if self._loading is not None:
            await asyncio.wait({self._loading})

    def _loaded(self, loading: "asyncio.Task[Target]") -> None:
        if loading.cancelled() or loading.exception() is not None:
            self._loading = None  # who asks next tries again
