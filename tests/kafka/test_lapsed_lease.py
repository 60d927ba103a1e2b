"""A worker that cannot know whether it still owns its partitions sends nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from stepwell.streams.kafka.errors import DeliveryFailed
from tests.kafka.broker import Broker
from tests.kafka.conditions import eventually
from tests.kafka.flavours import Built, Setup, ours
from tests.kafka.proxy import Api, Proxy, proxied

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
        await eventually(lambda: broker.abandoned(setup.app_id), "the group gives it up")
        sent = built.app.producer.append(setup.source, key=b"k", value=b"1", partition=0)
        await proxy.release()
        await eventually(lambda: built.crash_reason, "the group tells it; it ends")
    assert isinstance(built.crash_reason, DeliveryFailed)
    assert isinstance(sent.exception(), DeliveryFailed)
    assert await broker.records(setup.source, 1) == []


@asynccontextmanager
async def unheard(
    setup: Setup, broker: Broker, **settings: int
) -> AsyncIterator[tuple[Built, Proxy]]:
    """A worker with a partition, to which no heartbeat is answered from now on."""
    await setup.create_topics(broker)
    async with proxied(setup.bootstrap) as proxy:
        built = ours(setup.through(proxy.bootstrap), heartbeat_interval_ms=300, **settings)
        async with built.running():
            await eventually(lambda: built.app.consumer.owned, "it owns its partition")
            proxy.hold(Api.HEARTBEAT)
            yield built, proxy
