"""The first pass by bits loses next to nothing, even when all vectors share a direction."""

import numpy as np
import pytest

from stepwell.schemas.documents import Document, Embedded, Removal, SearchFilters
from stepwell.streams.index.factory import open_index
from stepwell.streams.index.sqlite import codes, search

DIMENSION = 100  # no multiple of 8 or 64
COUNT = 3000
WANTED = 10


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def clustered(count, shared):
    """Around 50 directions, moved by a direction that all have in common."""
    chance = np.random.default_rng(3)
    centres = unit(chance.standard_normal((50, DIMENSION)))
    near = centres[chance.integers(0, 50, count)] + chance.standard_normal((count, DIMENSION)) / 12
    common = unit(chance.standard_normal((1, DIMENSION)))
    return unit(unit(near) + shared * common).astype(np.float32)


def embedded(number, vector):
    document = Document(
        key=f"k{number}",
        type="issue",
        repo=f"r{number % 2}",
        number=number,
        title="",
        body="",
        state="open",
        url="",
        updated_at="2026-03-01T10:00:00Z",
        labels=("rare", "seldom") if number % 100 == 0 else (),
    )
    return Embedded(document, vector, "m")


def nearest(vectors, query, numbers):
    scores = vectors[numbers] @ query
    return {int(number) for number in numbers[np.argsort(-scores)[:WANTED]]}


@pytest.fixture
async def index(tmp_path):
    index = await open_index(f"sqlite:{tmp_path}/index.db", "Documents", DIMENSION)
    yield index
    await index.close()


@pytest.mark.parametrize("shared", [0.0, 2.0])
async def test_the_nearest_are_among_the_nearest_by_bits(index, shared):
    vectors = clustered(COUNT + 50, shared)
    for start in range(0, COUNT, 300):  # the centre is settled on the way
        batch = range(start, start + 300)
        await index.upsert([embedded(number, vectors[number]) for number in batch])
    missed = 0
    for query in vectors[COUNT:]:
        ids = await index._call(lambda file, query=query: codes.nearest(file, query, 300))
        missed += len(nearest(vectors, query, np.arange(COUNT)) - {int(id_) - 1 for id_ in ids})
    assert missed <= 0.01 * 50 * WANTED


async def test_filtered_searches_are_complete(index, monkeypatch):
    monkeypatch.setattr(search, "EXACT_MAX", 100)
    vectors = clustered(COUNT + 20, 1.0)
    await index.upsert([embedded(number, vectors[number]) for number in range(COUNT)])
    await index.remove([Removal(f"k{number}", "2026-03-02T10:00:00Z") for number in range(500)])
    for filters, numbers in (
        (SearchFilters(repo="r1"), np.arange(501, COUNT, 2)),
        (SearchFilters(labels=("rare", "seldom")), np.arange(500, COUNT, 100)),
        (SearchFilters(repo="r0", labels=("rare",)), np.arange(500, COUNT, 100)),
    ):
        for query in vectors[COUNT:]:
            hits = await index.search(query, limit=WANTED, filters=filters)
            assert {hit.document.number for hit in hits} == nearest(vectors, query, numbers)
        everything = await index.search(vectors[0], limit=1000, filters=filters)
        assert len(everything) == len({hit.document.key for hit in everything})
        assert len(everything) == min(len(numbers), 1000)


async def test_after_many_removals_the_rest_is_found(index):
    vectors = clustered(COUNT, 0.0)
    await index.upsert([embedded(number, vectors[number]) for number in range(COUNT)])
    await index.remove([Removal(f"k{number}", "2026-03-02T10:00:00Z") for number in range(2990)])
    hits = await index.search(vectors[0], limit=1000)
    assert {hit.document.number for hit in hits} == set(range(2990, COUNT))
