"""Hybrid search: reciprocal rank fusion, by us and not by the store, so that it is alike on all.

Ranks are fused, not scores: a cosine and a BM25 score have no common scale, and scaling them by the
best and worst hit (Weaviate's default) lets one odd hit move all others.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

from stepwell.schemas.documents import Hit, SearchFilters, Vector
from stepwell.streams.index.rules import SEARCH_LIMIT_MAX
from stepwell.streams.ports import VectorIndex

K = 60
"""How slowly ranks lose weight: the constant of the scheme's authors, and Weaviate's."""
DEPTH_MIN = 100
"""How many hits of each ranking are looked at, at least."""


async def search_hybrid(
    index: VectorIndex,
    text: str,
    vector: Vector,
    *,
    limit: int,
    filters: SearchFilters | None = None,
) -> list[Hit]:
    """The best documents by meaning and words together; the score is the fused one."""
    depth = min(max(2 * limit, DEPTH_MIN), SEARCH_LIMIT_MAX)
    rankings = await asyncio.gather(
        index.search(vector, limit=depth, filters=filters),
        index.search_words(text, limit=depth, filters=filters),
    )
    return fused(rankings)[:limit]


def fused(rankings: Iterable[Sequence[Hit]]) -> list[Hit]:
    """One ranking of several: a document counts 1 / (K + rank) in each that has it."""
    scores: dict[str, float] = {}
    hits: dict[str, Hit] = {}
    for ranking in rankings:
        for rank, hit in enumerate(ranking, 1):
            key = hit.document.key
            scores[key] = scores.get(key, 0.0) + 1 / (K + rank)
            hits.setdefault(key, hit)
    best = sorted(scores, key=lambda key: (-scores[key], key))
    return [replace(hits[key], score=scores[key]) for key in best]
