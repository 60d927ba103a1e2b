"""What the vector index stores: a document, its removal, and what a search gives back."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Document:
    """One searchable thing. `key` names it; `updated_at` (RFC 3339) orders its versions."""

    key: str
    type: str
    repo: str
    number: int
    title: str
    body: str
    state: str
    url: str
    updated_at: str
    labels: tuple[str, ...] = ()

    def text(self) -> str:
        """The text that is embedded: title, blank line, body; either may be empty."""
        return "\n\n".join(part for part in (self.title.strip(), self.body.strip()) if part)


@dataclass(frozen=True, slots=True)
class Embedding:
    """The vector of a text (float32, L2-normalised) and the id of the model that made it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    vector: Vector
    model: str


@dataclass(frozen=True, slots=True)
class Embedded:
    """A document with its vector (float32, L2-normalised) and the id of the model that made it."""

    document: Document
    vector: Vector
    model: str


@dataclass(frozen=True, slots=True)
class Removal:
    """The document `key` ceased to exist at `updated_at`; older upserts must not bring it back."""

    key: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """Exact-match filters; None or empty means any. `labels`: a hit has at least one of them."""

    type: str | None = None
    repo: str | None = None
    state: str | None = None
    labels: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Hit:
    """A search result; `score` is what it was found by: cosine similarity, BM25, fused ranks."""

    document: Document
    score: float
    model: str
