"""Transactions: readers of committed records see all of one or nothing, and in order."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidTransactionTimeout, ProducerFenced

from tests.contract.log_contract_clients import LogFixtures, created, producer, read, reader
from tests.kafka.broker import Broker, unique
from tests.kafka.conditions import eventually


class TransactionsContract(LogFixtures):
    """What a transactional producer promises."""

    async def test_a_commit_shows_everything_an_abort_nothing(self, broker):
        topic, other = await created(broker), await created(broker)
        async with producer(broker, transactional_id=unique("t")) as sending:
            async with sending.transaction():
                await sending.send_and_wait(topic, b"a1")
                await sending.send_and_wait(other, b"a2")
            await sending.begin_transaction()
            await sending.send_and_wait(topic, b"aborted")
            await sending.send_and_wait(other, b"aborted")
            await sending.abort_transaction()
            async with sending.transaction():
                await sending.send_and_wait(topic, b"b1")
                await sending.send_and_wait(other, b"b2")
        assert await committed(broker, topic) == [b"a1", b"b1"]
        assert await committed(broker, other) == [b"a2", b"b2"]
        async with reader(broker, topic) as consumer:
            assert [r.value for r in await read(consumer, 3)] == [b"a1", b"aborted", b"b1"]

    async def test_markers_take_offsets_that_readers_step_over(self, broker, topic):
        async with producer(broker, transactional_id=unique("t")) as sending:
            for number in range(3):
                async with sending.transaction():
                    await sending.send_and_wait(topic, b"%d" % number)
        assert [r.offset for r in await broker.records(topic, 1)] == [0, 2, 4]
        assert await broker.ends(topic, 1) == {0: 6}

    async def test_readers_wait_before_an_open_transaction(self, broker, topic):
        tp = TopicPartition(topic, 0)
        await broker.send(topic, None, b"before")
        settings = {"isolation_level": "read_committed"}
        async with (
            producer(broker, transactional_id=unique("t")) as sending,
            reader(broker, topic, **settings) as consumer,
            reader(broker, topic) as eager,
        ):
            await sending.begin_transaction()
            await sending.send_and_wait(topic, b"inside")
            await broker.send(topic, None, b"behind")
            assert (await consumer.getone()).value == b"before"
            waiting = asyncio.ensure_future(consumer.getone())
            assert [r.value for r in await read(eager, 3)] == [b"before", b"inside", b"behind"]
            assert (await consumer.end_offsets([tp]))[tp] == 1
            assert (await eager.end_offsets([tp]))[tp] == 3
            assert not waiting.done()
            await sending.commit_transaction()
            assert (await asyncio.wait_for(waiting, 5)).value == b"inside"
            assert (await consumer.getone()).value == b"behind"

    async def test_transactions_of_several_producers_do_not_mix(self, broker, topic):
        names = (b"a", b"b", b"c", b"d")

        async def run(name: bytes) -> None:
            async with producer(broker, transactional_id=unique("t"), linger_ms=1) as sending:
                for number in range(20):
                    await sending.begin_transaction()
                    for _ in range(5):
                        await sending.send(topic, b"%d" % number, name)
                    if number % 3:
                        await sending.commit_transaction()
                    else:
                        await sending.abort_transaction()

        await asyncio.gather(*(run(name) for name in names))
        kept = [number for number in range(20) if number % 3 for _ in range(5)]
        records = await committed_records(broker, topic)
        for name in names:
            assert [int(r.value) for r in records if r.key == name] == kept

    async def test_offsets_are_committed_with_the_transaction_or_not_at_all(self, broker):
        source, sink, group = await created(broker), await created(broker), unique("group")
        tp = TopicPartition(source, 0)
        async with producer(broker, transactional_id=unique("t")) as sending:
            await sending.begin_transaction()
            await sending.send_and_wait(sink, b"no")
            await sending.send_offsets_to_transaction({tp: 5}, group)
            await sending.abort_transaction()
            assert await broker.committed(group, source) == {}
            await sending.begin_transaction()
            await sending.send_and_wait(sink, b"yes")
            await sending.send_offsets_to_transaction({tp: 9}, group)
            assert await broker.committed(group, source) == {}
            await sending.commit_transaction()
        await eventually(lambda: has_committed(broker, group, source, {0: 9}), "the commit")
        assert await committed(broker, sink) == [b"yes"]

    async def test_the_last_one_with_a_name_fences_those_before(self, broker, topic):
        name = unique("t")
        async with producer(broker, transactional_id=name) as old:
            await old.begin_transaction()
            await old.send_and_wait(topic, b"old")
            async with producer(broker, transactional_id=name) as new:
                async with new.transaction():
                    await new.send_and_wait(topic, b"new")
                with pytest.raises(ProducerFenced):
                    await send_late(old, topic)
        assert await committed(broker, topic) == [b"new"]

    async def test_what_a_dead_producer_left_open_is_aborted(self, broker, topic):
        settings = {"transactional_id": unique("t"), "transaction_timeout_ms": 1_000}
        async with producer(broker, **settings) as sending:
            await sending.begin_transaction()
            await sending.send_and_wait(topic, b"left open")
            await broker.send(topic, None, b"behind")
            async with reader(broker, topic, isolation_level="read_committed") as consumer:
                assert (await asyncio.wait_for(consumer.getone(), 30)).value == b"behind"
            with pytest.raises(ProducerFenced):
                await send_late(sending, topic)
        assert await committed(broker, topic) == [b"behind"]

    async def test_a_timeout_beyond_the_brokers_limit_is_refused(self, broker):
        settings = {"transactional_id": unique("t"), "transaction_timeout_ms": 3_600_000}
        sending = producer(broker, **settings)
        with pytest.raises(InvalidTransactionTimeout):
            await sending.start()
        await sending.stop()


async def send_late(sending: AIOKafkaProducer, topic: str) -> None:
    """Go on with a transaction that is over; the client may hear of it at either call."""
    await sending.send_and_wait(topic, b"late")
    await sending.commit_transaction()


async def committed_records(broker: Broker, topic: str) -> list:
    """All that a reader of committed records gets."""
    tp = TopicPartition(topic, 0)
    found: list = []
    async with AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap, isolation_level="read_committed"
    ) as consumer:
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        end = (await consumer.end_offsets([tp]))[tp]
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(tp, timeout_ms=200)).values():
                found += records
    return found


async def committed(broker: Broker, topic: str) -> list[bytes | None]:
    return [record.value for record in await committed_records(broker, topic)]


async def has_committed(broker: Broker, group: str, topic: str, offsets: dict[int, int]) -> bool:
    return await broker.committed(group, topic) == offsets
