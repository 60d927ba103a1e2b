"""Removes from a collection what its source does not have any more."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from stepwell.schemas.documents import Document, Removal
from stepwell.streams.blobs import BlobRef
from stepwell.streams.index.errors import RetryableIndexError
from stepwell.streams.ports import VectorIndex, WriteStatus
from stepwell.streams.workflows.reindex_sources import Source

KEYS_PER_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Seen:
    """The documents that a source brought, and the kinds of documents that these are."""

    keys: frozenset[str]
    kinds: frozenset[tuple[str, str]]
    """Type and repository. Other kinds have other sources, which have a say in them."""

    @classmethod
    def of(cls, documents: Sequence[Document]) -> "Seen":
        """Those of a batch."""
        kinds = frozenset((document.type, document.repo) for document in documents)
        return cls(frozenset(document.key for document in documents), kinds)

    @classmethod
    def merged(cls, parts: "Sequence[Seen]") -> "Seen":
        """Those of several."""
        keys = frozenset(key for part in parts for key in part.keys)
        return cls(keys, frozenset(kind for part in parts for kind in part.kinds))

    def encode(self) -> bytes:
        """As it is stored; the same for the same."""
        return orjson.dumps({"keys": sorted(self.keys), "kinds": sorted(self.kinds)})

    @classmethod
    def decode(cls, raw: bytes) -> "Seen":
        """What was stored."""
        found = orjson.loads(raw)
        kinds = frozenset((type_, repo) for type_, repo in found["kinds"])
        return cls(frozenset(found["keys"]), kinds)


@dataclass(frozen=True, slots=True)
class Page:
    """The record of a page of what a collection holds."""

    vanished: BlobRef | None
    """What the source does not have. It is on record before it is removed, and so is counted right
    by who comes after a crash; None: nothing."""
    next: str | None
    """What the next page comes after; None: there is none."""


async def find_vanished(
    index: VectorIndex, after: str | None, seen: Seen, source: Source
) -> tuple[list[Removal], str | None]:
    """Those of a page that are of a kind that was seen, but were not seen themselves.

    The source is asked once more: what is listed while it changes may be passed over.
    """
    page = await index.scan(after=after, limit=KEYS_PER_PAGE)
    removals = [
        Removal(entry.key, entry.updated_at)
        for entry in page.found
        if (entry.type, entry.repo) in seen.kinds
        and entry.key not in seen.keys
        and not await source.still_has(entry.key)
    ]
    return removals, page.next


def encode(removals: Sequence[Removal]) -> bytes:
    """As they are stored."""
    return orjson.dumps(removals)


async def remove(index: VectorIndex, raw: bytes) -> int:
    """Remove these; how many. What was stored anew since it was listed stays."""
    removals = [Removal(**each) for each in orjson.loads(raw)]
    removed = 0
    for removal, outcome in zip(removals, await index.remove(removals), strict=True):
        if outcome.status is WriteStatus.RETRY:
            raise RetryableIndexError(removal.key, outcome.detail)
        removed += outcome.status is WriteStatus.STORED
    return removed
