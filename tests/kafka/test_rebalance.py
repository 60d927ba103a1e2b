"""L7, L8: a second worker joins. What is done stays done, and lost rows leave."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.kafka.broker import Broker
from tests.kafka.conditions import eventually
from tests.kafka.flavours import Built, Setup, ours, stock

pytestmark = pytest.mark.kafka

PARTITIONS = 4
PER_PARTITION = 10
MARK = b"mark"


def worker(flavour, setup: Setup, seen: list[tuple[int, int]]) -> Built:
    """Writes a row per partition, and notes which events it saw."""
    built = flavour(setup)

    async def body(stream):
        async for event in stream.events():
            built.table[b"row-%d" % event.message.partition] = event.value
            seen.append((event.message.partition, event.message.offset))

    built.agent(body)
    return built


@asynccontextmanager
async def second_worker_joined(
    flavour, setup: Setup, broker: Broker, seen: list[tuple[int, int]]
) -> AsyncIterator[Built]:
    """One worker has done everything and commits only when it must; then a second one joins.

    Yields the first one once each of the two has its share and the rebalance is over.
    """
    await setup.create_topics(broker)
    first, second = worker(flavour, setup, seen), worker(flavour, setup, seen)

    def shared() -> bool:
        halves = share(first, setup) == share(second, setup) == PARTITIONS // 2
        return halves and not (first.app.rebalancing or second.app.rebalancing)

    async with first.running():
        await fill(setup, broker, PER_PARTITION)
        await eventually(lambda: len(seen) == PARTITIONS * PER_PARTITION, "all events are seen")
        async with second.running():
            await eventually(shared, "they share the partitions")
            yield first


async def fill(setup: Setup, broker: Broker, per_partition: int) -> None:
    for number in range(PARTITIONS):
        for _ in range(per_partition):
            await broker.send(setup.source, b"key", MARK, number)


def share(built: Built, setup: Setup) -> int:
    return sum(tp.topic == setup.source for tp in built.app.consumer.assignment())


@pytest.fixture
def setup(setup: Setup) -> Setup:
    return replace(setup, partitions=PARTITIONS, commit_interval_ms=3_600_000)


async def test_faust_commits_nothing_before_it_gives_up_and_keeps_lost_rows(setup, broker):
    async with second_worker_joined(stock, setup, broker, []) as first:
        assert await broker.committed(setup.app_id, setup.source) == {}
        assert len(list(first.table)) == PARTITIONS


async def test_we_commit_what_is_done_deliver_it_once_and_let_rows_go(setup, broker):
    seen: list[tuple[int, int]] = []
    async with second_worker_joined(ours, setup, broker, seen) as first:
        committed = await broker.committed(setup.app_id, setup.source)
        assert committed == dict.fromkeys(range(PARTITIONS), PER_PARTITION)
        assert len(list(first.table)) == PARTITIONS // 2
        await fill(setup, broker, 1)
        last = {(number, PER_PARTITION) for number in range(PARTITIONS)}
        await eventually(lambda: last <= set(seen), "life goes on")
    assert len(seen) == len(set(seen))
