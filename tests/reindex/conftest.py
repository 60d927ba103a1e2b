"""A blob store, an index and a model in memory, and a re-index that runs on them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from stepwell.schemas.documents import Embedded
from stepwell.streams.bindings.blobs import MemoryBlobStore
from stepwell.streams.bindings.embedding import WordEmbedder
from stepwell.streams.index.directory import Collection, MemoryDirectory
from stepwell.streams.index.memory import InMemoryIndex
from stepwell.streams.index.targets import Means, Targets
from stepwell.streams.ports import WriteOutcome
from stepwell.streams.testing import WorkflowTest
from stepwell.streams.workflows.reindex import Bindings, Reindex, ReindexDocuments
from stepwell.streams.workflows.reindex_batch import Outcomes


class CountingIndex(InMemoryIndex):
    """Remembers how many objects each call had."""

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        self.calls: list[int] = []

    async def upsert(self, objects: Sequence[Embedded]) -> list[WriteOutcome]:
        self.calls.append(len(objects))
        return await super().upsert(objects)


@dataclass
class ReindexWorld:
    """What a re-index needs, and what it left behind."""

    blobs: MemoryBlobStore = field(default_factory=MemoryBlobStore)
    embedder: WordEmbedder = field(default_factory=WordEmbedder)
    github: Any = None

    def __post_init__(self) -> None:
        self.index = CountingIndex(self.embedder.dimension)

        async def load(_name: str) -> WordEmbedder:
            return self.embedder

        def open_index(_collection: Collection) -> InMemoryIndex:
            return self.index

        self.targets = Targets(Means(MemoryDirectory(), open_index, load, "Documents", "words"))

    def bindings(self) -> Bindings:
        return Bindings(self.blobs, self.targets, self.github)

    async def put(self, *lines: dict[str, Any] | bytes) -> Reindex:
        """A file of these lines."""
        raw = [line if isinstance(line, bytes) else orjson.dumps(line) for line in lines]
        ref = await self.blobs.put(b"\n".join(raw))
        return Reindex("a file", file=ref, documents=len(lines))

    async def run(self, task: Reindex) -> Outcomes:
        """What the re-index says in the end."""
        async with WorkflowTest(ReindexDocuments, env=self.bindings()) as test:
            handle = await test.start(ReindexDocuments, task)
            outcomes: Outcomes = await handle.result()
            return outcomes


@pytest.fixture
def world() -> ReindexWorld:
    return ReindexWorld()


def document(number: int, **fields: Any) -> dict[str, Any]:
    """A line for one document."""
    return {"id": f"d{number}", "title": f"Title {number}", "body": f"Body {number}"} | fields
