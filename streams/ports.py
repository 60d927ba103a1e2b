"""The ports: what workflow bodies, worker and gateway need from the outside, and no more."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from stepwell.schemas.documents import Embedded, Hit, Removal, SearchFilters, Vector


class WriteStatus(StrEnum):
    """What became of one object of a batch write."""

    STORED = "stored"
    STALE = "stale"
    """A newer version was there already, or a later removal: nothing changed."""
    RETRY = "retry"
    """Not stored, may succeed later: unreachable, read-only, overloaded."""
    REFUSED = "refused"
    """Never will be stored as it is: wrong dimension, too large, invalid."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A document that an index holds, in the version of this time."""

    key: str
    type: str
    repo: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Scan:
    """A page of what an index holds; `next` goes on after it, None when there is no more."""

    found: tuple[Stored, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """The outcome of one object of a batch, in the order in which the objects were given."""

    status: WriteStatus
    detail: str = ""


class SearchMode(StrEnum):
    """What a search goes by."""

    SEMANTIC = "semantic"
    """The meaning of the query, as the model sees it."""
    KEYWORD = "keyword"
    """The words of the query."""
    HYBRID = "hybrid"
    """Both rankings, fused."""


class VectorIndex(Protocol):
    """A searchable store of documents and vectors. One contract suite runs on every kind.

    A failure of a whole call raises `IndexUnavailable`; that of one object is its outcome.
    """

    async def open(self) -> None:
        """Connect, make the collection ready; raises `IndexUnavailable`, `IndexSchemaMismatch`."""
        ...

    async def upsert(self, objects: Sequence[Embedded]) -> list[WriteOutcome]:
        """Store each unless a newer version (by `updated_at`) or a later removal is known."""
        ...

    async def remove(self, removals: Sequence[Removal]) -> list[WriteOutcome]:
        """Remove each unless a version newer than the removal is stored; remember the removal."""
        ...

    async def search(
        self, vector: Vector, *, limit: int, filters: SearchFilters | None = None
    ) -> list[Hit]:
        """The `limit` nearest documents by cosine similarity, nearest first."""
        ...

    async def search_words(
        self, text: str, *, limit: int, filters: SearchFilters | None = None
    ) -> list[Hit]:
        """The `limit` best documents by BM25 that hold a word of `text`, best first.

        Any text is fine: nothing in it is syntax.
        """
        ...

    async def find(self, key: str) -> Embedded | None:
        """The document of this key with its vector; None when it is not stored."""
        ...

    async def count(self) -> int:
        """How many documents are stored; removed ones do not count."""
        ...

    async def scan(self, *, after: str | None = None, limit: int = 1000) -> Scan:
        """The next `limit` documents in an order of the index's own, `after` the last page.

        What is stored throughout is found once; what is written meanwhile may be missed.
        """
        ...

    async def drop(self) -> None:
        """Delete the collection with everything in it. Idempotent."""
        ...

    async def close(self) -> None:
        """Release connections. Idempotent."""
        ...


@runtime_checkable
class Scrubs(Protocol):
    """An index in files of ours, which keep bytes of what was removed until they are scrubbed."""

    async def scrub(self) -> bool:
        """Leave none; False if a reader was in the way: ask again."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors; calls of many instances meet in one micro-batcher behind it."""

    @property
    def model_id(self) -> str:
        """Identifies the model and its revision; stored beside every vector."""
        ...

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        ...

    async def embed(self, text: str) -> Vector:
        """The vector of one text, float32 of shape (dimension,), L2-normalised.

        Raises `ValueError` when the text has none and never will.
        """
        ...

    async def embed_bulk(self, text: str) -> Vector:
        """The same vector; texts of `embed` go first."""
        ...

    async def embed_query(self, text: str) -> Vector:
        """The vector to search with; does not wait for texts that are being embedded."""
        ...
