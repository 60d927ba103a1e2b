"""Two workers share the partitions, come and go, lose their connections: the counts are exact."""

from collections import Counter
from dataclasses import replace

import pytest

from stepwell.streams.kafka.app import raw_table
from tests.kafka.broker import Broker
from tests.kafka.conditions import eventually
from tests.kafka.counting_worker import parse_row
from tests.kafka.flavours import Built, Setup, ours
from tests.kafka.processes import commits_ahead_of_rows, counted
from tests.kafka.proxy import proxied

pytestmark = pytest.mark.kafka

PARTITIONS = 4
EVENTS = 400


def counting(setup: Setup, **settings) -> Built:
    built = ours(setup, **settings)

    async def body(stream):
        async for event in stream.events():
            partition, offset = event.message.partition, event.message.offset
            row = built.table.row(partition, event.key)
            count, last = (0, -1) if row is None else parse_row(row)
            if offset > last:
                built.table.put(partition, event.key, b"%d %d" % (count + 1, offset))

    built.agent(body)
    return built


async def send_events(setup: Setup, broker: Broker) -> None:
    for number in range(EVENTS):
        await broker.send(setup.source, b"key-%d" % (number % 20), b"", number % setup.partitions)


async def all_are_counted(setup: Setup, broker: Broker, rounds: int) -> None:
    expected = Counter({b"key-%d" % number: rounds * EVENTS // 20 for number in range(20)})

    async def exact():
        return await counted(setup, broker) == expected

    await eventually(exact, f"round {rounds} is counted exactly")


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
async def test_workers_come_and_go(store, setup, broker):
    setup = replace(setup, partitions=PARTITIONS)
    await setup.create_topics(broker)
    first, second = counting(setup, store=store), counting(setup, store=store)
    async with first.running():
        await send_events(setup, broker)
        async with second.running():
            await send_events(setup, broker)
            await all_are_counted(setup, broker, 2)
            assert first.app.consumer.owned | second.app.consumer.owned == {0, 1, 2, 3}
            assert first.app.consumer.owned & second.app.consumer.owned == frozenset()
        await send_events(setup, broker)
        await all_are_counted(setup, broker, 3)
        assert first.app.consumer.owned == {0, 1, 2, 3}
        assert len(first.table) == 20
    assert await commits_ahead_of_rows(setup, broker) == {}
    assert sum((await broker.committed(setup.app_id, setup.source)).values()) == 3 * EVENTS


async def test_a_worker_outlives_its_connections(setup, broker):
    await setup.create_topics(broker)
    async with proxied(setup.bootstrap) as proxy:
        worker = counting(setup.through(proxy.bootstrap))
        async with worker.running():
            for number in range(1, 4):
                await send_events(setup, broker)
                proxy.sever()
                await all_are_counted(setup, broker, number)
        assert worker.crash_reason is None


async def test_each_table_has_rows_of_its_own(setup, broker):
    await setup.create_topics(broker)
    other = f"{setup.source}-other"
    await broker.create(1, **{other: {"cleanup.policy": "compact"}})
    built = ours(setup, store="rocksdb")
    second = raw_table(built.app, "second", changelog=other)
    async with built.running():
        built.table.put(0, b"key", b"1")
        second.put(0, b"key", b"2")
        assert (built.table.row(0, b"key"), second.row(0, b"key")) == (b"1", b"2")
    assert [record.value for record in await broker.records(other, 1)] == [b"2"]
