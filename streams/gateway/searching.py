"""The port through which documents are searched, and what a search answers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, Self

from stepwell.schemas.documents import Document, Hit, SearchFilters
from stepwell.schemas.journal import InstanceKey
from stepwell.streams.errors import StepwellError
from stepwell.streams.ports import SearchMode

LIMIT_DEFAULT, LIMIT_MAX = 10, 100
QUERY_LENGTH_MAX = 1000
"""Characters; a model reads no more than about that many."""
FILTER_LENGTH_MAX = 300
LABELS_MAX = 20
BODY_LENGTH_MAX = 1000
"""Characters of a body that an answer shows: documents may weigh megabytes."""


@dataclass(eq=False)
class SearchUnavailable(StepwellError):
    """Nothing can be searched now; `code` says why to programs."""

    code: str
    detail: str
    passing: bool = True
    """Whether it is worth asking again before somebody has done something about it."""
    exit_code = 5

    def __str__(self) -> str:
        return self.detail


@dataclass(eq=False)
class QueryRefused(StepwellError):
    """The query can be answered by nobody."""

    detail: str
    exit_code = 2

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class InstanceName:
    """An instance, as links name it."""

    workflow: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A hit; of a long body only the beginning is there."""

    document: Document
    body_length: int
    """Characters of the whole body."""
    score: float
    model: str
    instance: InstanceName | None
    """The newest one that was about it and completed; None: not known."""

    @classmethod
    def of(cls, hit: Hit, producers: Mapping[str, InstanceKey]) -> Self:
        """A hit, with the instance that brought its document."""
        key = producers.get(hit.document.key)
        instance = None if key is None else InstanceName(key.workflow, key.instance)
        length = len(hit.document.body)
        return cls(shortened(hit.document), length, hit.score, hit.model, instance)


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What was asked, and the documents that answer it best, best first."""

    query: str
    mode: SearchMode
    hits: tuple[FoundDocument, ...]


@dataclass(frozen=True, slots=True)
class SimilarAnswer:
    """A document, and others that mean what it does, nearest first."""

    document: Document
    body_length: int
    hits: tuple[FoundDocument, ...]


class Search(Protocol):
    """Raises `SearchUnavailable`, and `QueryRefused` for a text that no model can read."""

    async def search(
        self, text: str, mode: SearchMode, *, limit: int, filters: SearchFilters
    ) -> SearchAnswer:
        """The documents that answer best."""
        ...

    async def similar(
        self, key: str, *, limit: int, filters: SearchFilters
    ) -> SimilarAnswer | None:
        """Those like this document; None when it is not in the index."""
        ...


def shortened(document: Document) -> Document:
    """With no more of its body than an answer shows."""
    if len(document.body) <= BODY_LENGTH_MAX:
        return document
    return replace(document, body=document.body[:BODY_LENGTH_MAX])
