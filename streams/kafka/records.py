"""Single records: read where they lie, appended where they belong. For the tools of operators."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from stepwell.streams.errors import BrokerUnavailable, TopicMismatch
from stepwell.streams.kafka.errors import RecordTooLarge
from stepwell.streams.kafka.onlooker import POLL_MS, make_onlooker
from stepwell.streams.kafka.publisher import Position
from stepwell.streams.kafka.security import Security

TIMEOUT_MS = 10_000
RECORD_BYTES_MAX = 2 * 1024 * 1024

Headers = Sequence[tuple[str, bytes | None]]
Read = Callable[[Position], Awaitable[ConsumerRecord | None]]
"""The record at a position; None when there is none (any more)."""
Append = Callable[[str, int, bytes | None, bytes | None, Headers], Awaitable[Position]]
"""Told (topic, partition, key, value, headers); returns when all in-sync replicas have it.

Raises `BrokerUnavailable`, `TopicMismatch`, `RecordTooLarge`.
"""


@asynccontextmanager
async def open_reader(
    bootstrap: str, topic: str, *, security: Security | None = None
) -> AsyncIterator[Read]:
    """Reads single records of a topic; connects at once, raises `BrokerUnavailable`."""
    consumer = make_onlooker(bootstrap, topic, security=security)

    reading, ends = asyncio.Lock(), dict[TopicPartition, int]()

    async def read(at: Position) -> ConsumerRecord | None:
        try:
            async with reading, asyncio.timeout(TIMEOUT_MS / 1000):
                tp = TopicPartition(topic, at.partition)
                if tp not in consumer.assignment():
                    return None
                if at.offset >= ends.get(tp, 0):
                    ends.update(await consumer.end_offsets([tp]))
                return await _read(consumer, tp, at.offset) if at.offset < ends[tp] else None
        except (KafkaError, TimeoutError) as error:
            raise _unavailable(bootstrap, f"{topic} cannot be read: {error!r}") from error

    try:
        try:
            async with asyncio.timeout(TIMEOUT_MS / 1000):
                await consumer.start()
        except (KafkaError, TimeoutError) as error:
            raise _unavailable(bootstrap, f"does not answer: {error!r}") from error
        consumer.pause(*consumer.assignment())  # all partitions, as there is no group
        yield read
    finally:
        await consumer.stop()


async def _read(
    consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int
) -> ConsumerRecord | None:
    consumer.seek(tp, offset)  # one that is gone sends it to the end: beyond the offset
    consumer.resume(tp)
    try:
        while await consumer.position(tp) <= offset:
            found = await consumer.getmany(tp, timeout_ms=POLL_MS, max_records=1)
            for record in found.get(tp, ()):
                return record if record.offset == offset else None
    finally:
        consumer.pause(tp)
    return None


@asynccontextmanager
async def open_appender(
    bootstrap: str, *, client_id: str = "stepwell-operator", security: Security | None = None
) -> AsyncIterator[Append]:
    """Appends to any topic and partition; connects at once, raises `BrokerUnavailable`."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        max_request_size=RECORD_BYTES_MAX,
        request_timeout_ms=TIMEOUT_MS,
        **(security or Security()).client_options(),
    )

    async def append(
        topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers
    ) -> Position:
        try:
            async with asyncio.timeout(TIMEOUT_MS / 1000):
                if partition not in await producer.partitions_for(topic):
                    raise TopicMismatch(f"topic {topic} has no partition {partition}")
                stored = await producer.send_and_wait(
                    topic, value, key, partition=partition, headers=list(headers)
                )
        except MessageSizeTooLargeError as error:
            size = len(key or b"") + len(value or b"")
            raise RecordTooLarge(topic, size, RECORD_BYTES_MAX) from error
        except (KafkaError, TimeoutError) as error:
            detail = f"{topic} did not take a record: {error!r}"
            raise _unavailable(bootstrap, detail) from error
        return Position(stored.partition, stored.offset)

    try:
        try:
            async with asyncio.timeout(TIMEOUT_MS / 1000):
                await producer.start()
        except (KafkaError, TimeoutError) as error:
            raise _unavailable(bootstrap, f"does not answer: {error!r}") from error
        yield append
    finally:
        await producer.stop()


def _unavailable(bootstrap: str, what: str) -> BrokerUnavailable:
    return BrokerUnavailable(f"Kafka at {bootstrap}: {what}")
