"""L7, L8: a second worker joins. What is done stays done, and lost rows leave."""

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


async def second_worker_joins(flavour, setup: Setup, broker: Broker) -> tuple[int, int]:
    """One worker does everything and commits only when it must; then a second one joins.

    How many rows the first one lists afterwards, and how many events were seen twice by either.
    """
    setup = replace(setup, partitions=PARTITIONS, commit_interval_ms=3_600_000)
    await setup.create_topics(broker)
    seen: list[tuple[int, int]] = []
    first, second = worker(flavour, setup, seen), worker(flavour, setup, seen)
    last = {(number, PER_PARTITION) for number in range(PARTITIONS)}

    def seen_twice() -> int:
        return len(seen) - len(set(seen))

    async with first.running():
        await fill(setup, broker, PER_PARTITION)
        await eventually(lambda: len(seen) == PARTITIONS * PER_PARTITION, "all events are seen")
        async with second.running():
            await eventually(lambda: share(first, setup) == share(second, setup) == 2, "they share")
            await fill(setup, broker, 1)
            await eventually(lambda: seen_twice() or last <= set(seen), "it goes on")
            return len(list(first.table)), seen_twice()


async def fill(setup: Setup, broker: Broker, per_partition: int) -> None:
    for number in range(PARTITIONS):
        for _ in range(per_partition):
            await broker.send(setup.source, b"key", MARK, number)


def share(built: Built, setup: Setup) -> int:
    return sum(tp.topic == setup.source for tp in built.app.consumer.assignment())


async def test_faust_delivers_again_and_keeps_the_rows_it_lost(setup, broker):
    rows_left, seen_twice = await second_worker_joins(stock, setup, broker)
    assert seen_twice > 0
    assert rows_left == PARTITIONS


async def test_we_deliver_once_and_let_go(setup, broker):
    rows_left, seen_twice = await second_worker_joins(ours, setup, broker)
    assert seen_twice == 0
    assert rows_left == PARTITIONS // 2
