"""The stream of changes: nothing is left out in silence, and memory is bounded."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from stepwell.streams.lists import InstanceChange, News
from stepwell.streams.readmodel.changes import Changes


def change(offset: int, partition: int = 0) -> InstanceChange:
    return InstanceChange(partition, offset, "order", f"i-{partition}-{offset}", "running", 1)


def add(changes: Changes, *offsets: int, partition: int = 0) -> None:
    for offset in offsets:
        changes.add(changes_now(changes) | {partition: offset + 1}, [change(offset, partition)])


def changes_now(changes: Changes) -> dict[int, int]:
    pairs = (pair.split("-") for pair in changes.place.split(".") if pair)
    return {int(partition): int(at) for partition, at in pairs}


async def told(news: AsyncIterator[News], count: int) -> list[str | None]:
    """Whom the next changes are about; None for a reset."""
    found: list[str | None] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            item = await anext(news)
            found += [it.instance_id for it in item.changes] if item.changes else [None]
    return found


@pytest.fixture
def changes():
    changes = Changes(kept_max=5)
    changes.begin({0: 10, 1: 10})
    return changes


async def test_a_reader_is_told_what_happens_from_now_on(changes):
    news = changes.since()
    first = asyncio.create_task(told(news, 2))
    await asyncio.sleep(0)
    add(changes, 10, 11)
    assert await first == ["i-0-10", "i-0-11"]


async def test_a_reader_that_comes_back_is_told_what_it_missed(changes):
    add(changes, 10)
    place = changes.place
    add(changes, 11)
    add(changes, 10, partition=1)
    assert await told(changes.since(place), 2) == ["i-0-11", "i-1-10"]


async def test_a_reader_of_another_gateway_goes_on_where_it_was(changes):
    """The other one had read more of one partition and less of the other."""
    add(changes, 10, 11, 12)
    add(changes, 10, 11, partition=1)
    assert await told(changes.since("0-12.1-10"), 3) == ["i-0-12", "i-1-10", "i-1-11"]


@pytest.mark.parametrize("place", ["0-9.1-10", "", "nonsense", "0-x"])
async def test_a_reader_that_missed_too_much_must_read_anew(changes, place):
    add(changes, 10)
    news = changes.since(place)
    assert await told(news, 1) == [None]
    add(changes, 11)
    assert await told(news, 1) == ["i-0-11"]


async def test_a_slow_reader_loses_its_place_and_is_told_so(changes):
    news = changes.since(changes.place)
    add(changes, 10)
    assert await told(news, 1) == ["i-0-10"]
    add(changes, *range(11, 30))
    assert await told(news, 1) == [None]
    add(changes, 30)
    assert await told(news, 1) == ["i-0-30"]


async def test_a_model_that_is_made_anew_tells_everybody_to_read_anew(changes):
    news = changes.since(changes.place)
    add(changes, 10)
    assert await told(news, 1) == ["i-0-10"]
    changes.begin({0: 0})
    assert await told(news, 1) == [None]


async def test_a_connection_that_was_lost_and_is_back_disturbs_nobody(changes):
    add(changes, 10)
    place = changes.place
    changes.begin({0: 11, 1: 10})
    add(changes, 11)
    assert await told(changes.since(place), 1) == ["i-0-11"]
