"""L5: an event whose agent raised is not done."""

import asyncio

import pytest
from faust.types import TP

from tests.kafka.broker import Broker
from tests.kafka.flavours import Built, Setup, ours, stock

pytestmark = pytest.mark.kafka


class Poisoned(Exception):
    """What the agent raises."""


async def poison_is_third(built: Built, setup: Setup, broker: Broker) -> int:
    """Five events, the third of which the agent cannot bear. What is to be committed in the end?"""
    await setup.create_topics(broker)
    for value in (b"1", b"2", b"poison", b"4", b"5"):
        await broker.send(setup.source, b"key", value)

    async def body(stream):
        async for event in stream.events():
            if event.value == b"poison":
                raise Poisoned

    built.agent(body)
    asked = built.observe_commits()
    async with built.running():
        await asyncio.wait_for(built.app.wait_until_stopped(), 20)
    assert isinstance(built.crash_reason, Poisoned)
    return asked[-1][TP(setup.source, 0)]


async def test_faust_commits_the_event_that_failed(setup, broker):
    assert await poison_is_third(stock(setup), setup, broker) == 3


async def test_we_commit_up_to_it_and_get_it_again(setup, broker):
    assert await poison_is_third(ours(setup), setup, broker) == 2
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
