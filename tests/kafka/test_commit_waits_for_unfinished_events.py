"""L1: an unfinished event holds its offset back, wherever it stands."""

import asyncio

import pytest

from tests.kafka.broker import Broker
from tests.kafka.conditions import eventually
from tests.kafka.flavours import Built, Setup, ours, stock

pytestmark = pytest.mark.kafka

EVENTS = 8


async def first_event_never_ends(built: Built, setup: Setup, broker: Broker) -> dict[int, int]:
    """Four actors: one keeps the first event, the others finish the rest. What is committed?"""
    finished: set[int] = set()
    never = asyncio.Event()

    async def body(stream):
        async for event in stream.events():
            if event.message.offset == 0:
                await never.wait()
            finished.add(event.message.offset)

    built.agent(body, concurrency=4)
    try:
        await built.app.start()
        await eventually(lambda: len(finished) == EVENTS - 1, "the other events are finished")
        await built.app.consumer.commit()
        return await broker.committed(setup.app_id, setup.source)
    finally:
        never.set()
        await built.stop()


@pytest.fixture
async def filled(setup: Setup, broker: Broker) -> Setup:
    await setup.create_topics(broker)
    for number in range(EVENTS):
        await broker.send(setup.source, b"key", b"%d" % number)
    return setup


async def test_faust_commits_past_an_unfinished_event(filled, broker):
    assert await first_event_never_ends(stock(filled), filled, broker) == {0: EVENTS}


async def test_we_do_not(filled, broker):
    assert await first_event_never_ends(ours(filled), filled, broker) == {}
