"""The last records of a topic, read once and bounded in number."""

from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.kafka.onlooker import POLL_MS, make_onlooker
from stepwell.streams.kafka.security import Security


async def read_tail(
    bootstrap: str,
    topic: str,
    visit: Callable[[ConsumerRecord], object],
    *,
    count_max: int,
    security: Security | None = None,
) -> None:
    """Visit up to about `count_max` of the newest records, in order within each partition.

    Raises `BrokerUnavailable`; may be cancelled at any time.
    """
    consumer = make_onlooker(bootstrap, topic, security=security)
    try:
        await consumer.start()
        await _visit_tail(consumer, visit, count_max)
    except KafkaError as error:
        raise BrokerUnavailable(
            f"Kafka at {bootstrap}: {topic} cannot be read: {error!r}"
        ) from error
    finally:
        await consumer.stop()


async def _visit_tail(
    consumer: AIOKafkaConsumer, visit: Callable[[ConsumerRecord], object], count_max: int
) -> None:
    partitions = consumer.assignment()  # all of them, as there is no group
    first = await consumer.beginning_offsets(partitions)
    end = await consumer.end_offsets(partitions)
    each = max(1, count_max // max(1, len(partitions)))
    for partition in partitions:
        consumer.seek(partition, max(first[partition], end[partition] - each))
    pending = {p for p in partitions if first[p] < end[p]}
    while pending:
        for records in (await consumer.getmany(*pending, timeout_ms=POLL_MS)).values():
            for record in records:
                visit(record)
        # The position moves past gaps (compaction, transaction markers), so it tells the end.
        pending = {p for p in pending if await consumer.position(p) < end[p]}
