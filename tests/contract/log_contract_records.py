"""Records go in and come out: everything about them is kept, order and offsets too."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition, codec
from aiokafka.admin import RecordsToDelete
from aiokafka.errors import (
    MessageSizeTooLargeError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import OffsetAndTimestamp

from tests.contract.log_contract_clients import LogFixtures, created, producer, read, reader, values
from tests.kafka.broker import Broker, unique

CODECS = [None, *(n for n in ("gzip", "snappy", "lz4", "zstd") if getattr(codec, f"has_{n}")())]
"""Those that aiokafka can use here; librdkafka brings all of them."""
MIB = 1024 * 1024


class ProducingContract(LogFixtures):
    """What is sent."""

    @pytest.mark.parametrize("codec", CODECS)
    @pytest.mark.parametrize("idempotent", [False, True])
    async def test_a_record_comes_back_as_it_went_in(self, broker, topic, codec, idempotent):
        headers = [("a", b"1"), ("a", b""), ("ü", "ß".encode())]
        sent = [
            (b"key", b"value", headers, 1_000),
            (None, b"", [], 3_000),
            (b"", None, [("tombstone", b"\x00\xff")], 2_000),
            (b"k" * 5_000, bytes(range(256)) * 400, [], 4_000),
        ]
        settings = {"compression_type": codec, "enable_idempotence": idempotent}
        async with producer(broker, linger_ms=50, **settings) as sending:
            for key, value, own, timestamp_ms in sent:
                await sending.send(topic, value, key, 0, timestamp_ms, own)
        async with reader(broker, topic) as consumer:
            got = await read(consumer, len(sent))
        assert [(r.key, r.value, list(r.headers), r.timestamp) for r in got] == sent
        assert [(r.topic, r.partition, r.offset) for r in got] == [(topic, 0, n) for n in range(4)]
        assert {r.timestamp_type for r in got} == {0}

    async def test_acknowledgements_tell_offset_and_partition(self, broker):
        topic = await created(broker, 3)
        async with producer(broker) as sending:
            for partition in (0, 1, 2, 2):
                acked = await sending.send_and_wait(topic, b"x", partition=partition)
        assert (acked.topic, acked.partition, acked.offset) == (topic, 2, 1)
        assert acked.log_start_offset == 0
        assert await broker.ends(topic, 3) == {0: 1, 1: 1, 2: 2}

    @pytest.mark.parametrize("acks", [0, 1, "all"])
    async def test_every_kind_of_acknowledgement_stores(self, broker, topic, acks):
        async with producer(broker, acks=acks) as sending:
            await asyncio.gather(*[await sending.send(topic, b"%d" % n) for n in range(100)])
        async with reader(broker, topic) as consumer:
            assert [r.value for r in await read(consumer, 100)] == [b"%d" % n for n in range(100)]

    async def test_records_of_many_producers_keep_the_order_of_each(self, broker, topic):
        async def send(name: bytes) -> None:
            async with producer(broker, enable_idempotence=True, linger_ms=1) as sending:
                acks = [await sending.send(topic, b"%d" % n, name) for n in range(300)]
                await asyncio.gather(*acks)

        await asyncio.gather(*(send(name) for name in (b"a", b"b", b"c")))
        records = await broker.records(topic, 1)
        assert [r.offset for r in records] == list(range(900))
        for name in (b"a", b"b", b"c"):
            assert [int(r.value) for r in records if r.key == name] == list(range(300))

    async def test_a_topic_may_stamp_its_records_itself(self, broker):
        topic = await created(broker, message_timestamp_type="LogAppendTime")
        async with producer(broker) as sending:
            acked = await sending.send_and_wait(topic, b"x", timestamp_ms=1)
        (record,) = await broker.records(topic, 1)
        assert record.timestamp_type == 1
        assert record.timestamp == acked.timestamp > 1_600_000_000_000

    async def test_a_batch_above_the_topics_limit_is_refused_and_no_other(self, broker):
        topic = await created(broker, max_message_bytes="1000")
        async with producer(broker) as sending:
            with pytest.raises(MessageSizeTooLargeError):
                await sending.send_and_wait(topic, b"x" * 2_000)
            await sending.send_and_wait(topic, b"x" * 500)
        assert await values(broker, topic) == [b"x" * 500]

    async def test_a_topic_may_allow_more_than_the_default_and_readers_get_it(self, broker):
        topic = await created(broker, max_message_bytes=str(4 * MIB))
        large = b"x" * (3 * MIB)
        async with producer(broker, max_request_size=4 * MIB) as sending:
            await sending.send_and_wait(topic, b"first")
            await sending.send_and_wait(topic, large)
            await sending.send_and_wait(topic, b"last")
        async with reader(broker, topic, max_partition_fetch_bytes=1000) as consumer:
            assert [r.value for r in await read(consumer, 3)] == [b"first", large, b"last"]

    async def test_a_topic_that_is_not_there_is_refused(self, broker):
        async with producer(broker, request_timeout_ms=1_500) as sending:
            with pytest.raises(UnknownTopicOrPartitionError):
                await sending.send_and_wait(unique("none"), b"x")


class ConsumingContract(LogFixtures):
    """What is read, and from where."""

    async def test_a_waiting_reader_gets_a_record_when_it_is_sent(self, broker, topic):
        async with reader(broker, topic, fetch_max_wait_ms=20_000) as consumer:
            waiting = asyncio.ensure_future(consumer.getone())
            done, _ = await asyncio.wait([waiting], timeout=0.2)
            assert not done
            await broker.send(topic, None, b"now")
            assert (await asyncio.wait_for(waiting, 5)).value == b"now"

    async def test_a_reader_may_start_anywhere(self, broker, topic):
        await fill(broker, topic, 10)
        tp = TopicPartition(topic, 0)
        async with reader(broker, topic) as consumer:
            for start in (7, 0, 9, 3):
                consumer.seek(tp, start)
                assert (await consumer.getone()).offset == start
                assert await consumer.position(tp) == start + 1
            await consumer.seek_to_end(tp)
            assert await consumer.position(tp) == 10

    async def test_a_reader_may_start_within_a_batch(self, broker, topic):
        async with producer(broker, linger_ms=100) as sending:
            acks = [await sending.send(topic, b"%d" % n) for n in range(50)]
            await asyncio.gather(*acks)
        async with reader(broker, topic) as consumer:
            consumer.seek(TopicPartition(topic, 0), 33)
            assert [r.offset for r in await read(consumer, 17)] == list(range(33, 50))

    async def test_beginnings_and_ends_are_told(self, broker):
        topic = await created(broker, 2)
        for _ in range(3):
            await broker.send(topic, None, b"x", 1)
        tps = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
        async with reader(broker, topic) as consumer:
            assert await consumer.beginning_offsets(tps) == dict.fromkeys(tps, 0)
            assert await consumer.end_offsets(tps) == {tps[0]: 0, tps[1]: 3}

    async def test_offsets_are_found_by_time(self, broker, topic):
        async with producer(broker, linger_ms=50) as sending:
            for timestamp_ms in (1_000, 3_000, 2_000, 5_000):
                await sending.send(topic, b"x", timestamp_ms=timestamp_ms)
            await sending.flush()
            await sending.send_and_wait(topic, b"x", timestamp_ms=7_000)
        tp = TopicPartition(topic, 0)
        async with reader(broker, topic) as consumer:
            found = {
                wanted: (await consumer.offsets_for_times({tp: wanted}))[tp]
                for wanted in (0, 1_000, 1_001, 3_001, 5_001, 7_000, 7_001)
            }
        assert found == {
            0: OffsetAndTimestamp(0, 1_000),
            1_000: OffsetAndTimestamp(0, 1_000),
            1_001: OffsetAndTimestamp(1, 3_000),
            3_001: OffsetAndTimestamp(3, 5_000),
            5_001: OffsetAndTimestamp(4, 7_000),
            7_000: OffsetAndTimestamp(4, 7_000),
            7_001: None,
        }

    async def test_a_reader_beyond_the_end_is_told_or_goes_where_it_says(self, broker, topic):
        await fill(broker, topic, 3)
        tp = TopicPartition(topic, 0)
        async with reader(broker, topic, auto_offset_reset="none") as consumer:
            consumer.seek(tp, 100)
            with pytest.raises(OffsetOutOfRangeError):
                await consumer.getone()
        async with reader(broker, topic, auto_offset_reset="earliest") as consumer:
            consumer.seek(tp, 100)
            assert (await consumer.getone()).offset == 0

    async def test_without_a_commit_and_a_rule_a_group_has_no_place_to_start(self, broker, topic):
        settings = {"group_id": unique("group"), "auto_offset_reset": "none"}
        async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, **settings) as consumer:
            consumer.assign([TopicPartition(topic, 0)])
            with pytest.raises(NoOffsetForPartitionError):
                await consumer.getone()

    async def test_deleted_records_are_gone_and_their_readers_go_on_behind(self, broker, topic):
        await fill(broker, topic, 10)
        tp = TopicPartition(topic, 0)
        admin = await broker.admin()
        async with reader(broker, topic, auto_offset_reset="earliest") as consumer:
            assert await admin.delete_records({tp: RecordsToDelete(4)}) == {tp: 4}
            assert await consumer.beginning_offsets([tp]) == {tp: 4}
            assert await consumer.end_offsets([tp]) == {tp: 10}
            consumer.seek(tp, 1)
            assert (await consumer.getone()).offset == 4
        assert [r.offset for r in await broker.records(topic, 1)] == [4, 5, 6, 7, 8, 9]
        assert await admin.delete_records({tp: RecordsToDelete(-1)}) == {tp: 10}
        assert await broker.records(topic, 1) == []
        assert await broker.send(topic, None, b"next") == 10
        with pytest.raises(OffsetOutOfRangeError):
            await admin.delete_records({tp: RecordsToDelete(99)})


async def fill(broker: Broker, topic: str, count: int) -> None:
    for number in range(count):
        await broker.send(topic, b"key", b"%d" % number)
