"""Writes that reach every collection: what one of them says, and what the caller is told."""

from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import pytest

from stepwell.schemas.documents import Document, Embedded, Removal
from stepwell.streams.bindings.embedding import WordEmbedder
from stepwell.streams.errors import IndexSchemaMismatch, IndexUnavailable
from stepwell.streams.index.directory import Collection, Directory, MemoryDirectory, decode
from stepwell.streams.index.errors import CollectionExists, CollectionInUse, UnknownCollection
from stepwell.streams.index.everywhere import EveryCollection
from stepwell.streams.index.memory import InMemoryIndex
from stepwell.streams.index.targets import Means, Targets
from stepwell.streams.ports import WriteOutcome, WriteStatus

OLD = Collection("Old", "words", "words", 8)
NEW = Collection("New", "letters", "letters", 4)
BOTH = Directory((OLD, NEW))
DOCUMENT = Document("k", "issue", "acme/site", 1, "a lamp", "", "", "", "2026-01-01T00:00:00Z")


class Letters(WordEmbedder):
    model_id = "letters"
    refusing = False

    async def embed(self, text: str) -> np.ndarray:
        if self.refusing:
            raise ValueError("no such letters")
        return await super().embed(text)


class Index(InMemoryIndex):
    """Answers as it is told."""

    outcome: WriteOutcome | None = None
    error: Exception | None = None
    before: Callable[[], Awaitable[None]] | None = None

    async def upsert(self, objects: Sequence[Embedded]) -> list[WriteOutcome]:
        if self.before:
            await self.before()
        if self.error:
            raise self.error
        return [self.outcome] * len(objects) if self.outcome else await super().upsert(objects)


@pytest.fixture
async def parts():
    store = MemoryDirectory()
    await store.replace(None, BOTH)
    indexes = {OLD: Index(8), NEW: Index(4)}
    embedders = {"words": WordEmbedder(8), "letters": Letters(4)}

    async def load(name):
        return embedders[name]

    targets = Targets(Means(store, indexes.__getitem__, load, "Old", "words"))
    return store, indexes, embedders, EveryCollection(targets)


async def written(everywhere: EveryCollection) -> WriteOutcome:
    vector = await WordEmbedder(8).embed(DOCUMENT.text())
    (outcome,) = await everywhere.upsert([Embedded(DOCUMENT, vector, "words")])
    return outcome


@pytest.mark.parametrize("status", [WriteStatus.RETRY, WriteStatus.REFUSED])
async def test_what_one_collection_does_not_store_is_not_stored(parts, status):
    _, indexes, _, everywhere = parts
    indexes[NEW].outcome = WriteOutcome(status, "full")
    assert await written(everywhere) == indexes[NEW].outcome
    assert await indexes[OLD].count() == 1


async def test_the_current_collection_says_what_is_stale(parts):
    _, indexes, _, everywhere = parts
    await indexes[OLD].remove([Removal("k", "2026-01-02T00:00:00Z")])
    assert (await written(everywhere)).status is WriteStatus.STALE
    assert await indexes[NEW].count() == 1


async def test_a_text_that_another_model_refuses_is_not_stored_and_said_so(parts):
    _, _, embedders, everywhere = parts
    embedders["letters"].refusing = True
    outcome = await written(everywhere)
    assert (outcome.status, outcome.detail) == (WriteStatus.REFUSED, "no vector: no such letters")


async def test_a_collection_that_fails_is_said_so(parts):
    _, indexes, _, everywhere = parts
    indexes[NEW].error = IndexUnavailable("away")
    with pytest.raises(IndexUnavailable):
        await written(everywhere)


@pytest.mark.parametrize("left", [OLD, NEW])
async def test_a_collection_that_is_dropped_meanwhile_is_not_missed(parts, left):
    store, indexes, _, everywhere = parts
    dropped = indexes[NEW if left is OLD else OLD]
    dropped.error = IndexUnavailable("gone")

    async def drop():
        await store.replace(BOTH, Directory((left,)))

    dropped.before = drop
    assert (await written(everywhere)).status is WriteStatus.STORED
    assert await indexes[left].count() == 1


def test_a_directory_is_what_was_stored():
    assert decode(BOTH.encode()) == BOTH


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', '{"format": 1, "collections": [1]}'])
def test_a_directory_that_cannot_be_read_says_so(text):
    with pytest.raises(IndexSchemaMismatch, match="directory of the index"):
        decode(text)


def test_a_directory_refuses_what_would_lose_the_current_collection():
    assert BOTH.switched("New").current == NEW
    assert BOTH.without("New") == Directory((OLD,))
    with pytest.raises(CollectionInUse):
        BOTH.without("Old")
    with pytest.raises(CollectionExists):
        BOTH.including(Collection("new", "letters", "letters", 4))
    with pytest.raises(UnknownCollection):
        BOTH.switched("Other")
