"""The rules that every index obeys: what counts as newer, what is refused, what may share a call.

Pure: knows no server. `memory.py` is these rules and a dictionary.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import numpy as np

from stepwell.schemas.documents import Document, Embedded, Removal, SearchFilters, Vector
from stepwell.streams.index.errors import RefusedByIndex
from stepwell.streams.ports import WriteOutcome, WriteStatus

OBJECTS_PER_CALL_MAX = 1000
BYTES_PER_CALL_MAX = 8 * 1024 * 1024
"""Also the most one document may weigh."""
SEARCH_LIMIT_MAX = 1000
NUMBER_MAX = 2**53 - 1
"""Larger integers lose digits on the wire."""

STORED = WriteOutcome(WriteStatus.STORED)
STALE = WriteOutcome(WriteStatus.STALE)

Write = Embedded | Removal
W = TypeVar("W", Embedded, Removal)

_TEXT_FIELDS = ("key", "type", "repo", "title", "body", "state", "url", "updated_at")
_RECORD_OVERHEAD_BYTES = 512


@dataclass(frozen=True, slots=True)
class Known:
    """What an index knows about one key: the stored version, the last removal."""

    stored: datetime | None = None
    removed: datetime | None = None

    def admits(self, write: Write) -> bool:
        """Whether a write counts: nothing newer is known. A removal wins a tie, then the later."""
        at = version_of(write)
        after_removal = self.removed is None or (
            at >= self.removed if isinstance(write, Removal) else at > self.removed
        )
        return after_removal and (self.stored is None or at >= self.stored)

    def after(self, write: Write) -> "Known":
        """What is known once an admitted write is done."""
        at = version_of(write)
        return Known(None, at) if isinstance(write, Removal) else Known(at, self.removed)


def key_of(write: Write) -> str:
    """The document it is about."""
    return write.key if isinstance(write, Removal) else write.document.key


def version_of(write: Write) -> datetime:
    """What orders the writes of one document."""
    return instant(write.updated_at if isinstance(write, Removal) else write.document.updated_at)


def instant(updated_at: str) -> datetime:
    """The moment that an RFC 3339 text names; ValueError says what is wrong with it."""
    try:
        moment = datetime.fromisoformat(updated_at)
    except ValueError:
        raise ValueError(f"updated_at {updated_at!r} is not an RFC 3339 time") from None
    if moment.tzinfo is None:
        raise ValueError(f"updated_at {updated_at!r} has no time zone")
    return moment


def cleaned(write: W) -> W:
    """The same in text that stores can hold: no NUL characters, no lone surrogates."""
    if isinstance(write, Removal):
        return replace(write, key=_storable(write.key))
    document = write.document
    if all(_is_plain(text) for text in _texts(document)):
        return write
    texts: dict[str, Any] = {name: _storable(getattr(document, name)) for name in _TEXT_FIELDS}
    labels = tuple(_storable(label) for label in document.labels)
    return replace(write, document=replace(document, labels=labels, **texts))


def cleaned_filters(filters: SearchFilters | None) -> SearchFilters:
    """The same, as the texts they are compared with were cleaned."""
    if filters is None:
        return SearchFilters()
    type_, repo, state = (
        None if value is None else _storable(value)
        for value in (filters.type, filters.repo, filters.state)
    )
    return SearchFilters(type_, repo, state, tuple(_storable(label) for label in filters.labels))


def cleaned_key(key: str) -> str:
    """The same, as keys are stored."""
    return _storable(key)


def _texts(document: Document) -> Iterator[str]:
    yield from (getattr(document, name) for name in _TEXT_FIELDS)
    yield from document.labels


def _is_plain(text: str) -> bool:
    """Most are, and it is told at once."""
    return text.isascii() and "\0" not in text


def _storable(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def weight_bytes(write: Write) -> int:
    """About how many bytes it takes in a call."""
    if isinstance(write, Removal):
        return _RECORD_OVERHEAD_BYTES
    text_bytes = sum(
        len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        for text in _texts(write.document)
    )
    return text_bytes + write.vector.nbytes + _RECORD_OVERHEAD_BYTES


def refusal(write: Write, dimension: int) -> WriteOutcome | None:
    """Why this can never be written; None when it can."""
    reason = next(_reasons(write, dimension), None)
    return WriteOutcome(WriteStatus.REFUSED, reason) if reason else None


def check_search(vector: Vector, dimension: int, limit: int) -> None:
    """Refuse a search that no index could answer."""
    for reason in _vector_reasons(vector, dimension):
        raise RefusedByIndex("search", reason)
    check_limit(limit)


def check_limit(limit: int) -> None:
    """Refuse to look for nothing, or for more than every index gives."""
    if not 1 <= limit <= SEARCH_LIMIT_MAX:
        raise RefusedByIndex("search", f"limit {limit} is not within 1 to {SEARCH_LIMIT_MAX}")


def _reasons(write: Write, dimension: int) -> Iterator[str]:
    if not key_of(write):
        yield "the key is empty"
    try:
        version_of(write)
    except ValueError as error:
        yield str(error)
    if isinstance(write, Removal):
        return
    yield from _vector_reasons(write.vector, dimension)
    if (weight := weight_bytes(write)) > BYTES_PER_CALL_MAX:
        yield f"weighs {weight} bytes, the limit is {BYTES_PER_CALL_MAX}"
    if abs(write.document.number) > NUMBER_MAX:
        yield f"number {write.document.number} is beyond {NUMBER_MAX}"


def _vector_reasons(vector: Vector, dimension: int) -> Iterator[str]:
    if vector.shape != (dimension,):
        yield f"the vector has shape {vector.shape}, this index holds dimension {dimension}"
    if not np.isfinite(vector).all() or not vector.any():
        yield "the vector has no direction: it is all zero, or not finite"


def waves(keys: Iterable[Hashable]) -> list[list[int]]:
    """Positions grouped so that no group names a key twice and each key keeps its order."""
    groups: list[list[int]] = []
    turns: dict[Hashable, int] = {}
    for position, key in enumerate(keys):
        turn = turns.get(key, 0)
        turns[key] = turn + 1
        if turn == len(groups):
            groups.append([])
        groups[turn].append(position)
    return groups


def cut(positions: Iterable[int], writes: Sequence[Write]) -> Iterator[list[int]]:
    """The positions in runs that keep within the limits of one call."""
    run: list[int] = []
    total = 0
    for position in positions:
        weight = weight_bytes(writes[position])
        full = len(run) == OBJECTS_PER_CALL_MAX or total + weight > BYTES_PER_CALL_MAX
        if run and full:
            yield run
            run, total = [], 0
        run.append(position)
        total += weight
    if run:
        yield run
