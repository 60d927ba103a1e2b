"""A lock of another process, or a full disk: callers are told in time, and nothing is lost."""

import asyncio
from contextlib import contextmanager

import apsw
import pytest

from stepwell.schemas.documents import Removal
from stepwell.streams.errors import IndexUnavailable
from stepwell.streams.index.sqlite.index import SqliteIndex
from tests.index.sqlite_writer import DIMENSION, at, embedded


@contextmanager
def locked(path):
    """What a shell does that has begun to write."""
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index.db"


@pytest.fixture
async def make(path):
    """Opens indexes on one file, and closes them."""
    made = []

    async def make(deadline_s=10.0):
        made.append(
            SqliteIndex(path, collection="Shared", dimension=DIMENSION, deadline_s=deadline_s)
        )
        await made[-1].open()
        return made[-1]

    yield make
    for index in made:
        await index.close()


async def test_a_lock_that_stays_costs_the_deadline_and_no_more(make, path):
    index = await make(deadline_s=0.3)
    with locked(path):
        # SQLite gives up a little before the deadline; its thread may be late, then we do.
        for call in (index.upsert([embedded("a")]), index.remove([Removal("a", at(1))])):
            with pytest.raises(IndexUnavailable, match=r"holds its lock|did not answer within"):
                await call
    assert [one.status for one in await index.upsert([embedded("a")])] == ["stored"]


async def test_a_lock_is_named_as_what_stands_in_the_way(make, path):
    index = await make()
    await index._call(lambda file: file.set_busy_timeout(0))
    with locked(path), pytest.raises(IndexUnavailable, match="another process holds its lock"):
        await index.upsert([embedded("a")])


async def test_calls_that_queue_behind_a_lock_end_at_their_own_deadline(make, path):
    index = await make(deadline_s=0.3)
    with locked(path):
        answers = await asyncio.gather(
            *(index.upsert([embedded(f"k{number}")]) for number in range(5)),
            return_exceptions=True,
        )
    assert [type(answer) for answer in answers] == [IndexUnavailable] * 5
    assert await index.count() <= 1  # the one that was begun may have had its lock after all


async def test_a_write_waits_for_a_short_lock_without_holding_up_the_loop(make, path):
    index, reader = await make(), await make()
    await index.upsert([embedded("a")])
    with locked(path):
        write = asyncio.create_task(index.upsert([embedded("b")]))
        assert await reader.count() == 1  # were the loop held up, nobody could release the lock
        assert len(await reader.search(embedded("a").vector, limit=5)) == 1
        assert not write.done()
    assert [one.status for one in await write] == ["stored"]
    assert await reader.count() == 2


async def test_a_full_disk_is_told_and_the_index_works_when_there_is_space_again(make):
    index = await make()
    await index.upsert([embedded(f"k{number}") for number in range(20)])
    await index._call(lambda file: file.execute("PRAGMA max_page_count = 40"))
    with pytest.raises(IndexUnavailable, match="the disk is full: free some space"):
        await index.upsert([embedded(f"new{number}") for number in range(1000)])
    assert await index.count() == 20
    assert len(await index.search_words("title", limit=1000)) == 20
    await index._call(lambda file: file.execute("PRAGMA max_page_count = 1000000"))
    outcomes = await index.upsert([embedded(f"new{number}") for number in range(1000)])
    assert {one.status for one in outcomes} == {"stored"}
    assert await index.count() == 1020
