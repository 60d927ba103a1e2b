"""L6: no event slips through between the recovery of the tables and the seek to the commit."""

import asyncio

import pytest

from tests.kafka.broker import Broker
from tests.kafka.conditions import eventually
from tests.kafka.flavours import Setup, ours, stock
from tests.kafka.proxy import Api, proxied

pytestmark = pytest.mark.kafka

EVENTS = 60
BUFFER = 10
SETTLED = 40
"""So many looks in a row without any change: it will not get further."""


async def slow_seek(flavour, setup: Setup, broker: Broker) -> tuple[int, int]:
    """Restart where rows are to be recovered and asking for the committed offset takes a while.

    How many events have been seen, and what is committed, once nothing changes any more?
    """
    await setup.create_topics(broker)
    await broker.send(setup.changelog, b"row", b"1")
    for number in range(EVENTS):
        await broker.send(setup.source, b"key", b"%d" % number)
    await broker.commit(setup.app_id, setup.source, 1)
    async with proxied(setup.bootstrap) as proxy:
        proxy.delays_s[Api.OFFSET_FETCH] = 1.0
        built = flavour(setup.through(proxy.bootstrap), BUFFER)
        recovered = asyncio.Event()
        seen = {0}

        async def body(stream):
            async for event in stream.events():
                await recovered.wait()
                seen.add(event.message.offset)

        built.agent(body)
        async with built.running():
            recovered.set()
            return await settled(seen, setup, broker)


async def settled(seen: set[int], setup: Setup, broker: Broker) -> tuple[int, int]:
    unchanged, last = 0, (0, 0)

    async def nothing_changes_or_all_is_done() -> bool:
        nonlocal unchanged, last
        committed = await broker.committed(setup.app_id, setup.source)
        now = (len(seen), committed.get(0, 0))
        unchanged = unchanged + 1 if now == last else 0
        last = now
        return now == (EVENTS, EVENTS) or unchanged > SETTLED

    await eventually(nothing_changes_or_all_is_done, "nothing changes any more")
    return last


async def test_faust_leaves_events_out_and_its_commit_stays_behind(setup, broker):
    def small_buffer(setup, buffer):
        return stock(setup, stream_buffer_maxsize=buffer)

    seen, committed = await slow_seek(small_buffer, setup, broker)
    assert seen < EVENTS
    assert committed < EVENTS


async def test_we_see_and_commit_everything(setup, broker):
    def small_buffer(setup, buffer):
        return ours(setup, buffered_events_max=buffer)

    assert await slow_seek(small_buffer, setup, broker) == (EVENTS, EVENTS)
