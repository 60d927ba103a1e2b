"""A worker that is killed at any moment loses nothing, and what it committed is in its rows."""

import asyncio
import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.kafka.broker import Broker
from tests.kafka.conditions import eventually
from tests.kafka.flavours import Setup
from tests.kafka.processes import commits_ahead_of_rows, counted, worker

pytestmark = pytest.mark.kafka

KILLS = 5
EVENTS_PER_LIFE = 400
KEYS = 20


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
async def test_every_event_is_counted_once_through_five_kills(store, setup, broker):
    setup = replace(setup, partitions=2)
    await setup.create_topics(broker)
    randomly = random.Random(store)
    sent: Counter[bytes] = Counter()
    for _ in range(KILLS):
        goal = (await counted(setup, broker)).total() + randomly.randint(1, EVENTS_PER_LIFE)
        async with worker(setup, store) as process:
            sending = asyncio.ensure_future(send_events(setup, broker, sent))
            await eventually(lambda goal=goal: reaches(setup, broker, goal), "it makes progress")
            await process.kill()
            await sending
        assert await commits_ahead_of_rows(setup, broker) == {}
    async with worker(setup, store) as process:
        await process.ready()
        everything = KILLS * EVENTS_PER_LIFE
        await eventually(lambda: commits(setup, broker, everything), "everything is committed")
        assert await process.stop() == 0
    assert await counted(setup, broker) == sent


async def send_events(setup: Setup, broker: Broker, sent: Counter[bytes]) -> None:
    for number in range(EVENTS_PER_LIFE):
        key = b"key-%d" % (number % KEYS)
        await broker.send(setup.source, key, b"", number % setup.partitions)
        sent[key] += 1


async def reaches(setup: Setup, broker: Broker, total: int) -> bool:
    return (await counted(setup, broker)).total() >= total


async def commits(setup: Setup, broker: Broker, total: int) -> bool:
    return sum((await broker.committed(setup.app_id, setup.source)).values()) == total
