"""`InMemoryIndex`: the rules and a dictionary. For tests and for runs without a server."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from stepwell.schemas.documents import Document, Embedded, Hit, Removal, SearchFilters, Vector
from stepwell.streams.index.keywords import document_words, query_words, rarity, weight
from stepwell.streams.index.rules import (
    STALE,
    STORED,
    Known,
    Write,
    check_limit,
    check_search,
    cleaned,
    cleaned_filters,
    cleaned_key,
    key_of,
    refusal,
    version_of,
)
from stepwell.streams.ports import Scan, Stored, WriteOutcome


class InMemoryIndex:
    """A `VectorIndex` that ends with the process; a search compares every vector."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._stored: dict[str, Embedded] = {}
        self._removed: dict[str, datetime] = {}

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to release."""

    async def upsert(self, objects: Sequence[Embedded]) -> list[WriteOutcome]:
        """Store each unless a newer version or a later removal is known."""
        return [self._write(cleaned(embedded)) for embedded in objects]

    async def remove(self, removals: Sequence[Removal]) -> list[WriteOutcome]:
        """Remove each unless a newer version is stored; remember the removal."""
        return [self._write(cleaned(removal)) for removal in removals]

    async def search(
        self, vector: Vector, *, limit: int, filters: SearchFilters | None = None
    ) -> list[Hit]:
        """The nearest documents by cosine similarity."""
        check_search(vector, self._dimension, limit)
        scores = {key: _cosine(vector, one.vector) for key, one in self._stored.items()}
        return self._best(scores, limit, filters)

    async def search_words(
        self, text: str, *, limit: int, filters: SearchFilters | None = None
    ) -> list[Hit]:
        """The best matches of any word, by BM25."""
        check_limit(limit)
        bags = {key: document_words(one.document) for key, one in self._stored.items()}
        return self._best(_word_scores(query_words(text), bags), limit, filters)

    async def find(self, key: str) -> Embedded | None:
        """The document of this key."""
        return self._stored.get(cleaned_key(key))

    async def count(self) -> int:
        """How many documents are stored."""
        return len(self._stored)

    async def scan(self, *, after: str | None = None, limit: int = 1000) -> Scan:
        """The next documents by key."""
        check_limit(limit)
        keys = sorted(key for key in self._stored if after is None or key > after)[:limit]
        documents = [self._stored[key].document for key in keys]
        found = tuple(Stored(it.key, it.type, it.repo, it.updated_at) for it in documents)
        return Scan(found, keys[-1] if len(keys) == limit else None)

    async def drop(self) -> None:
        """Forget everything."""
        self._stored.clear()
        self._removed.clear()

    def _best(
        self, scores: dict[str, float], limit: int, filters: SearchFilters | None
    ) -> list[Hit]:
        wanted = cleaned_filters(filters)
        found = [(self._stored[key], score) for key, score in scores.items()]
        hits = [
            Hit(one.document, score, one.model)
            for one, score in found
            if _passes(one.document, wanted)
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.document.key))[:limit]

    def _write(self, write: Write) -> WriteOutcome:
        if refused := refusal(write, self._dimension):
            return refused
        key = key_of(write)
        stored = self._stored.get(key)
        known = Known(version_of(stored) if stored else None, self._removed.get(key))
        if not known.admits(write):
            return STALE
        if isinstance(write, Removal):
            self._removed[key] = version_of(write)
            self._stored.pop(key, None)
        else:
            self._stored[key] = replace(write, vector=write.vector.copy())
        return STORED


def _cosine(left: Vector, right: Vector) -> float:
    return float(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))


def _word_scores(wanted: list[str], bags: dict[str, list[str]]) -> dict[str, float]:
    length_mean = sum(map(len, bags.values())) / max(1, len(bags))
    scores: dict[str, float] = {}
    for word in wanted:
        times = {key: bag.count(word) for key, bag in bags.items() if word in bag}
        for key, count in times.items():
            worth = weight(count, len(bags[key]), length_mean)
            scores[key] = scores.get(key, 0.0) + worth * rarity(len(bags), len(times))
    return scores


def _passes(document: Document, filters: SearchFilters) -> bool:
    wanted = (filters.type, filters.repo, filters.state)
    found = (document.type, document.repo, document.state)
    exact = all(want in (None, have) for want, have in zip(wanted, found, strict=True))
    return exact and (not filters.labels or not set(filters.labels).isdisjoint(document.labels))
