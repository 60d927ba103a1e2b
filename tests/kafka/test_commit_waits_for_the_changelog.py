"""L2, L3, L4: a committed offset means that the rows of its events are in the changelog."""

import asyncio
from dataclasses import replace

import pytest
from faust.exceptions import ProducerSendError
from faust.types import TP

from stepwell.streams.kafka.errors import DeliveryFailed, RecordTooLarge
from tests.kafka.broker import Broker
from tests.kafka.conditions import eventually
from tests.kafka.flavours import Built, Setup, ours, stock
from tests.kafka.proxy import Api, proxied

pytestmark = pytest.mark.kafka

EVENTS = 8
LARGE = bytes(9_000)
"""Two such rows do not fit into one batch of Faust's."""


def writes_a_row_per_event(built: Built) -> list[int]:
    """The agent's body; the list grows with the offsets that it finished."""
    finished: list[int] = []

    async def body(stream):
        stream = stream.noack()
        async for event in stream.events():
            built.table[b"%d" % event.message.offset] = event.value
            await stream.ack(event)
            finished.append(event.message.offset)

    built.agent(body)
    return finished


async def send_events(setup: Setup, broker: Broker, *values: bytes) -> None:
    for value in values:
        await broker.send(setup.source, b"key", value)


async def is_committed_ahead(setup: Setup, broker: Broker) -> tuple[bool, int]:
    """Whether the commit is ahead of the rows (which only grow, so read later), and the commit."""
    committed = (await broker.committed(setup.app_id, setup.source)).get(0, 0)
    rows = (await broker.ends(setup.changelog, 1))[0]
    return rows < committed, committed


class TestSlowBroker:
    """L2: the changelog takes its time."""

    async def slow_changelog(self, flavour, setup: Setup, broker: Broker) -> bool:
        """Whether a commit was ever ahead of the changelog, until all is committed."""
        await setup.create_topics(broker)
        await send_events(setup, broker, *[LARGE] * EVENTS)
        async with proxied(setup.bootstrap) as proxy:
            proxy.delays_s[Api.PRODUCE] = 0.4
            built = flavour(setup.through(proxy.bootstrap))
            writes_a_row_per_event(built)
            async with built.running():
                seen = []

                async def all_committed():
                    ahead, committed = await is_committed_ahead(setup, broker)
                    seen.append(ahead)
                    return committed == EVENTS

                await eventually(all_committed, "everything is committed")
        return any(seen)

    async def test_faust_commits_ahead_of_its_changelog(self, setup, broker):
        assert await self.slow_changelog(stock, setup, broker)

    async def test_we_do_not(self, setup, broker):
        assert not await self.slow_changelog(ours, setup, broker)


class TestRefusedRow:
    """L3: the broker refuses one row."""

    async def refused_row(self, built: Built, setup: Setup, broker: Broker) -> None:
        await setup.create_topics(broker, **{"max.message.bytes": "2000"})
        finished = writes_a_row_per_event(built)
        async with built.running():
            await send_events(setup, broker, b"1", b"2")
            await eventually(lambda: len(finished) == 2, "small rows are written")
            await built.app.consumer.commit()
            await send_events(setup, broker, bytes(5_000), b"4")
            await eventually(
                lambda: len(finished) == 4 or built.crash_reason, "the large row was tried"
            )
            await built.app.consumer.commit()

    async def test_faust_commits_the_event_all_the_same(self, setup, broker):
        built = stock(setup)
        await self.refused_row(built, setup, broker)
        assert built.crash_reason is None
        assert await is_committed_ahead(setup, broker) == (True, 4)

    async def test_we_stop_and_commit_nothing_of_it(self, setup, broker):
        built = ours(setup)
        await self.refused_row(built, setup, broker)
        assert isinstance(built.crash_reason, DeliveryFailed)
        assert setup.changelog in str(built.crash_reason)
        assert await is_committed_ahead(setup, broker) == (False, 2)


class TestImpossibleRow:
    """L4: a row that cannot be sent takes the worker down; then it shuts down."""

    async def impossible_row(self, flavour, setup: Setup, broker: Broker) -> list[dict[TP, int]]:
        await setup.create_topics(broker)
        await send_events(setup, broker, bytes(60_000))
        built = flavour(replace(setup, record_bytes_max=20_000))
        writes_a_row_per_event(built)
        asked = built.observe_commits()
        async with built.running():
            await asyncio.wait_for(built.app.wait_until_stopped(), 20)
        assert isinstance(built.crash_reason, RecordTooLarge | ProducerSendError)
        assert await broker.records(setup.changelog, 1) == []
        return asked

    async def test_faust_commits_the_event_while_it_shuts_down(self, setup, broker):
        asked = await self.impossible_row(stock, setup, broker)
        assert asked == [{TP(setup.source, 0): 1}]

    async def test_we_do_not(self, setup, broker):
        assert await self.impossible_row(ours, setup, broker) == []


class TestSilentBroker:
    """The broker takes records and never answers."""

    async def test_we_give_up_in_time_and_commit_nothing(self, setup, broker):
        await setup.create_topics(broker)
        async with proxied(setup.bootstrap) as proxy:
            built = ours(setup.through(proxy.bootstrap), delivery_timeout_ms=1000)
            writes_a_row_per_event(built)
            proxy.hold(Api.PRODUCE)
            async with built.running():
                await send_events(setup, broker, b"1")
                await asyncio.wait_for(built.app.wait_until_stopped(), 20)
        assert isinstance(built.crash_reason, DeliveryFailed)
        assert "no acknowledgement within 1.0 s" in str(built.crash_reason)
        assert await broker.committed(setup.app_id, setup.source) == {}
