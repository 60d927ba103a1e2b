"""A worker that cannot know whether it still owns its partitions sends nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stepwell.streams.kafka.errors import NotOwner
from stepwell.streams.kafka.producer import StrictProducer
from tests.kafka.broker import Broker, unique
from tests.kafka.conditions import eventually
from tests.kafka.flavours import Built, Setup, ours
from tests.kafka.proxy import Api, Proxy, proxied

Agent = Callable[[Any], Awaitable[None]]

pytestmark = pytest.mark.kafka


async def test_what_it_writes_waits_until_it_knows_that_it_is_the_owner(setup, broker):
    async with unheard(setup, broker, session_timeout_ms=30_000) as (built, proxy):
        consumer = built.app.consumer
        consumer._lease_until = consumer.loop.time()
        sent = built.app.producer.append(setup.source, key=b"k", value=b"1", partition=0)
        assert await broker.records(setup.source, 1) == []
        assert not sent.done()
        await proxy.release()
        assert await sent == 0


async def test_what_it_wrote_is_never_sent_once_another_one_may_be_the_owner(setup, broker):
    async with unheard(setup, broker, session_timeout_ms=1500) as (built, proxy):
        app, table = built.app, built.table
        table.put(0, b"k", b"1")
        await app.producer.flush()
        await eventually(lambda: broker.abandoned(setup.app_id), "the group gives it up")
        row = app.producer.append(setup.changelog, key=b"k", value=b"2", partition=0)
        table.rows.put(0, b"k", b"2")
        await proxy.release()
        await eventually(row.done, "the group tells it")
        await eventually(lambda: app.consumer.owned, "it takes part again")
        assert isinstance(row.exception(), NotOwner)
        assert table.row(0, b"k") == b"1"
        table.put(0, b"k", b"3")
        await app.producer.flush()
    assert built.crash_reason is None
    assert [one.value for one in await broker.records(setup.changelog, 1)] == [b"1", b"3"]


async def test_an_event_whose_effects_were_never_sent_comes_again(setup, broker):
    async def count_and_freeze(stream) -> None:
        async for event in stream.events():
            built.table.put(0, event.message.key, b"1")
            built.app.consumer._lease_until = built.app.consumer.loop.time()

    async with unheard(setup, broker, count_and_freeze, session_timeout_ms=30_000) as (built, _):
        await broker.send(setup.source, b"k", b"", 0)
        await eventually(lambda: built.app.consumer.finished_total, "the event is done")
    assert await broker.records(setup.changelog, 1) == []
    assert await broker.committed(setup.app_id, setup.source) == {}


async def test_what_the_broker_may_have_got_is_read_back_and_not_sent_again(setup, broker):
    async with unheard(setup, broker, session_timeout_ms=1500) as (built, proxy):
        app, table = built.app, built.table
        proxy.hold(Api.PRODUCE)
        table.put(0, b"k", b"1")
        await eventually(lambda: broker.abandoned(setup.app_id), "the group gives it up")
        proxy.sever()
        await eventually(lambda: retried(app.producer), "it is to be sent again")
        await proxy.release()
        await eventually(lambda: app.producer.withdrawals, "the group tells it")
        await eventually(lambda: app.consumer.owned, "it takes part again")
        assert table.row(0, b"k") == b"1"
        table.put(0, b"k", b"2")
        await app.producer.flush()
    assert built.crash_reason is None
    assert [one.value for one in await broker.records(setup.changelog, 1)] == [b"1", b"2"]


async def test_it_sends_to_all_its_topics_again_afterwards(setup, broker):
    other = unique("other")
    await broker.create(1, **{other: {}})
    async with unheard(setup, broker, session_timeout_ms=1500) as (built, proxy):
        producer = built.app.producer
        await eventually(lambda: broker.abandoned(setup.app_id), "the group gives it up")
        await proxy.release()
        await eventually(lambda: producer.withdrawals, "the group tells it")
        await eventually(lambda: built.app.consumer.owned, "it takes part again")
        for topic in (other, setup.source):
            sent = await producer.send(topic, b"k", b"1", 0, None, None)
            assert (await sent).offset == 0


async def test_what_was_under_way_when_it_was_taken_out_is_not_tried_again(setup, broker):
    async with unheard(setup, broker, session_timeout_ms=1500) as (built, proxy):
        app = built.app
        proxy.hold(Api.PRODUCE)
        row = app.producer.append(setup.changelog, key=b"k", value=b"1", partition=0)
        await eventually(lambda: broker.abandoned(setup.app_id), "the group gives it up")
        await proxy.release(Api.HEARTBEAT)
        await eventually(row.done, "the group tells it")
        await eventually(lambda: app.consumer.owned, "it takes part again")
        assert isinstance(row.exception(), NotOwner)
        proxy.sever()
        await proxy.release()
        assert await app.producer.append(setup.source, key=b"k", value=b"2", partition=0) == 0
    assert built.crash_reason is None
    assert [one.value for one in await broker.records(setup.changelog, 1)] == [b"1"]


def retried(producer: StrictProducer) -> bool:
    waiting = producer._producer._message_accumulator._batches
    return any(batch.retry_count for batches in waiting.values() for batch in batches)


@asynccontextmanager
async def unheard(
    setup: Setup, broker: Broker, agent: Agent | None = None, **settings: int
) -> AsyncIterator[tuple[Built, Proxy]]:
    """A worker with a partition, to which no heartbeat is answered from now on."""
    await setup.create_topics(broker)
    async with proxied(setup.bootstrap) as proxy:
        built = ours(setup.through(proxy.bootstrap), heartbeat_interval_ms=300, **settings)
        if agent is not None:
            built.agent(agent)
        async with built.running():
            await eventually(lambda: built.app.consumer.owned, "it owns its partition")
            proxy.hold(Api.HEARTBEAT)
            yield built, proxy
