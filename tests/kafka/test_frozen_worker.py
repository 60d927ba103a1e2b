"""A worker that was frozen for longer than its session writes nothing over its successor's rows."""

from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from tests.kafka.broker import Broker
from tests.kafka.conditions import eventually
from tests.kafka.counting_worker import parse_row
from tests.kafka.flavours import Setup
from tests.kafka.processes import counted, worker

pytestmark = pytest.mark.kafka

EVENTS = 200
PAUSE_MS = 10


async def test_rows_only_ever_move_forward(setup, broker):
    setup = replace(setup, partitions=2)
    await setup.create_topics(broker)
    await send_events(setup, broker)
    async with AsyncExitStack() as running:
        frozen = await running.enter_async_context(worker(setup, name="a", pause_ms=PAUSE_MS))
        await eventually(lambda: reaches(setup, broker, 10), "it is in the middle of its work")
        frozen.freeze()
        await running.enter_async_context(worker(setup, name="b"))
        await eventually(lambda: reaches(setup, broker, EVENTS), "the other one does all of it")
        frozen.thaw()
        await send_events(setup, broker)
        await eventually(lambda: reaches(setup, broker, 2 * EVENTS), "life goes on")
        assert (await counted(setup, broker)) == Counter(b"odd even".split() * EVENTS)
    assert await steps_back(setup, broker) == []


async def send_events(setup: Setup, broker: Broker) -> None:
    for number in range(EVENTS):
        await broker.send(setup.source, (b"even", b"odd")[number % 2], b"", number % 2)


async def reaches(setup: Setup, broker: Broker, total: int) -> bool:
    return (await counted(setup, broker)).total() >= total


async def steps_back(setup: Setup, broker: Broker) -> list[str]:
    """The changelog records whose row counts no more than an earlier one of its key did."""
    found, last = [], defaultdict(lambda: -1)
    for record in await broker.records(setup.changelog, setup.partitions):
        offset = parse_row(record.value)[1]
        if offset <= last[record.key]:
            found.append(f"{record.partition}@{record.offset}: {record.key} {record.value}")
        last[record.key] = offset
    return found
