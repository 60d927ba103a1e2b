"""Appending: offsets, order, and what a flush waits for."""

import asyncio

import pytest

from stepwell.streams.kafka.errors import DeliveryFailed
from tests.kafka.conditions import eventually
from tests.kafka.flavours import ours
from tests.kafka.proxy import Api, proxied

pytestmark = pytest.mark.kafka


async def test_records_get_their_offsets_in_the_order_they_were_appended(setup, broker):
    await setup.create_topics(broker)
    built = ours(setup)
    async with built.running():
        append = built.app.producer.append
        sent = [
            append(setup.source, key=b"k", value=b"%d" % number, partition=0, headers=[("n", b"1")])
            for number in range(500)
        ]
        assert await asyncio.gather(*sent) == list(range(500))
    records = await broker.records(setup.source, 1)
    assert [record.value for record in records] == [b"%d" % number for number in range(500)]
    assert records[0].headers == (("n", b"1"),)


async def test_large_records_fill_many_batches_and_stay_in_order(setup, broker):
    await setup.create_topics(broker)
    built = ours(setup)
    async with built.running():
        for number in range(40):
            value = b"%02d" % number + bytes(50_000)
            built.app.producer.append(setup.source, key=b"k", value=value, partition=0)
        await built.app.producer.flush()
        assert built.app.producer.unacknowledged == 0
    values = [record.value[:2] for record in await broker.records(setup.source, 1)]
    assert values == [b"%02d" % number for number in range(40)]


async def test_a_flush_waits_for_everything_before_it(setup, broker):
    await setup.create_topics(broker)
    async with proxied(setup.bootstrap) as proxy:
        built = ours(setup.through(proxy.bootstrap))
        async with built.running():
            producer = built.app.producer
            proxy.hold(Api.PRODUCE)
            appended = producer.append(setup.source, key=b"k", value=b"1", partition=0)
            topic_send = await built.topic.send(key=b"k", value=b"2", partition=0)
            soon = built.topic.send_soon(key=b"k", value=b"3", partition=0)
            flushing = asyncio.ensure_future(producer.flush())
            await eventually(lambda: producer.unacknowledged == 3, "all are on their way")
            assert not flushing.done()
            await proxy.release()
            await flushing
            assert appended.result() == 0
            assert (await topic_send).offset == 1
            assert soon.result().offset == 2


async def test_after_a_failure_nothing_is_sent_any_more(setup, broker):
    await setup.create_topics(broker)
    async with proxied(setup.bootstrap) as proxy:
        built = ours(setup.through(proxy.bootstrap), delivery_timeout_ms=300)
        async with built.running():
            producer = built.app.producer
            proxy.hold(Api.PRODUCE)
            appended = producer.append(setup.source, key=b"k", value=b"1", partition=0)
            with pytest.raises(DeliveryFailed):
                await appended
            with pytest.raises(DeliveryFailed):
                await producer.flush()
            with pytest.raises(DeliveryFailed):
                producer.append(setup.source, key=b"k", value=b"2", partition=0)
    assert built.crash_reason is producer.failure
