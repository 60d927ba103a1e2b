"""L5: an event whose agent raised is not done."""

import asyncio
from typing import Any

import pytest
from faust.types import TP

from tests.kafka.broker import Broker
from tests.kafka.conditions import eventually
from tests.kafka.flavours import Built, Setup, ours, stock

pytestmark = pytest.mark.kafka


class Poisoned(Exception):
    """What the agent raises."""


async def poison_is_third(built: Built, setup: Setup, broker: Broker) -> Any:
    """Five events, the third of which the agent cannot bear; the app, crashed, and that event."""
    poison: list[Any] = []
    await setup.create_topics(broker)
    for value in (b"1", b"2", b"poison", b"4", b"5"):
        await broker.send(setup.source, b"key", value)

    async def body(stream):
        async for event in stream.events():
            if event.value == b"poison":
                poison.append(event.message)
                raise Poisoned

    built.agent(body)
    await built.app.start()
    await eventually(lambda: built.crash_reason, "the exception ends the app")
    assert isinstance(built.crash_reason, Poisoned)
    return poison[0]


async def test_faust_acknowledges_the_event_that_failed(setup, broker):
    built = stock(setup)
    poison = await poison_is_third(built, setup, broker)
    await eventually(lambda: poison.acked, "the event that failed counts as done")
    await built.stop()


async def test_we_commit_up_to_it_and_get_it_again(setup, broker):
    built = ours(setup)
    asked = built.observe_commits()
    poison = await poison_is_third(built, setup, broker)
    await built.stop()
    assert not poison.acked
    assert asked[-1][TP(setup.source, 0)] == 2
    again: list[bytes] = []
    built = ours(setup)
    all_seen = asyncio.Event()

    async def body(stream):
        async for event in stream.events():
            again.append(event.value)
            if len(again) == 3:
                all_seen.set()

    built.agent(body)
    async with built.running():
        await asyncio.wait_for(all_seen.wait(), 20)
    assert again == [b"poison", b"4", b"5"]
