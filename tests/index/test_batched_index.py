"""Single writes of many instances meet in one call, in the order they came in."""

import asyncio

import numpy as np
import pytest

from stepwell.schemas.documents import Document, Embedded, Removal
from stepwell.streams.errors import IndexUnavailable
from stepwell.streams.index.batched import BatchedIndex
from stepwell.streams.index.errors import RefusedByIndex, RetryableIndexError
from stepwell.streams.index.memory import InMemoryIndex
from stepwell.streams.metrics import Metrics
from stepwell.streams.ports import WriteOutcome, WriteStatus
from stepwell.streams.runtime.batcher import BatchLimits

STORED, STALE = WriteStatus.STORED, WriteStatus.STALE


class Watched(InMemoryIndex):
    """Keeps the calls; can be read-only or away."""

    def __init__(self):
        super().__init__(4)
        self.calls = []
        self.read_only = False
        self.away = False

    async def upsert(self, objects):
        self.calls.append(("upsert", [one.document.key for one in objects]))
        if self.away:
            raise IndexUnavailable("away")
        if self.read_only:
            return [WriteOutcome(WriteStatus.RETRY, "read-only")] * len(objects)
        return await super().upsert(objects)

    async def remove(self, removals):
        self.calls.append(("remove", [one.key for one in removals]))
        return await super().remove(removals)


def at(minute):
    return f"2026-03-01T10:{minute:02}:00Z"


def embedded(key, minute=0, dimension=4):
    document = Document(key, "issue", "r", 1, "t", "b", "open", "u", at(minute))
    return Embedded(document, np.ones(dimension, np.float32), "m")


@pytest.fixture
def index():
    return Watched()


@pytest.fixture
async def batched(index):
    batched = BatchedIndex(index, BatchLimits(100, 10**9, age_max_ms=0, queued_max=1000))
    yield batched
    await batched.close()


async def test_writes_of_one_moment_share_a_call(index, batched):
    upserts = [batched.upsert_one(embedded(f"k{number}")) for number in range(50)]
    assert await asyncio.gather(*upserts) == [STORED] * 50
    assert index.calls == [("upsert", [f"k{number}" for number in range(50)])]


async def test_removals_have_a_call_of_their_own(index, batched):
    await asyncio.gather(
        batched.upsert_one(embedded("a")),
        batched.remove_one(Removal("b", at(1))),
        batched.upsert_one(embedded("c")),
    )
    assert index.calls == [("upsert", ["a", "c"]), ("remove", ["b"])]


async def test_writes_of_one_document_keep_their_order(index, batched):
    answers = await asyncio.gather(
        batched.upsert_one(embedded("a", 1)),
        batched.remove_one(Removal("a", at(2))),
        batched.upsert_one(embedded("a", 3)),
        batched.upsert_one(embedded("b", 1)),
        batched.upsert_one(embedded("a", 2)),
    )
    assert answers == [STORED, STORED, STORED, STORED, STALE]
    assert index.calls == [
        ("upsert", ["a", "b"]),
        ("remove", ["a"]),
        ("upsert", ["a"]),
        ("upsert", ["a"]),
    ]


async def test_a_refused_document_fails_its_own_caller(batched):
    answers = await asyncio.gather(
        batched.upsert_one(embedded("a")),
        batched.upsert_one(embedded("bad", dimension=3)),
        batched.remove_one(Removal("b", "never")),
        return_exceptions=True,
    )
    assert answers[0] == STORED
    assert all(isinstance(answer, RefusedByIndex) for answer in answers[1:])
    assert str(answers[1]) == (
        "bad: refused: the vector has shape (3,), this index holds dimension 4"
    )


async def test_a_document_to_be_retried_says_so(index, batched):
    index.read_only = True
    with pytest.raises(RetryableIndexError, match="a: not written yet, try again later: read-only"):
        await batched.upsert_one(embedded("a"))


async def test_an_index_that_is_away_is_said_to_every_caller(index, batched):
    index.away = True
    writes = [batched.upsert_one(embedded(key)) for key in "ab"]
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(answer) for answer in answers] == [IndexUnavailable] * 2
    index.away = False
    assert await batched.upsert_one(embedded("a")) == STORED


async def test_closing_writes_what_is_queued(index):
    batched = BatchedIndex(index)
    write = asyncio.create_task(batched.upsert_one(embedded("a")))
    await asyncio.sleep(0)
    await batched.close()
    assert await write == STORED
    assert await index.count() == 1


async def test_calls_and_what_becomes_of_each_object_are_measured(batched, index):
    metrics = Metrics("test")
    batched.measure(metrics.index)
    await batched.upsert_one(embedded("a", 5))
    await batched.upsert_one(embedded("a", 1))
    index.away = True
    with pytest.raises(IndexUnavailable):
        await batched.upsert_one(embedded("b"))
    text = metrics.render().decode()
    for outcome in ("stored", "stale", "failed"):
        assert f'stepwell_upsert_objects_total{{outcome="{outcome}"}} 1.0' in text
    assert "stepwell_upsert_batch_duration_seconds_count 3.0" in text
    assert "stepwell_upsert_backlog 0.0" in text
