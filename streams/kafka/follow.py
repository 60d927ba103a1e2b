"""One partition of a topic, read from its beginning for as long as somebody wants more of it."""

import asyncio
from collections.abc import Callable

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.kafka.onlooker import POLL_MS, make_onlooker
from stepwell.streams.kafka.security import Security


async def follow(
    bootstrap: str,
    topic: str,
    partition: int,
    visit: Callable[[ConsumerRecord], bool],
    *,
    security: Security | None = None,
) -> None:
    """Visit the records in their order, new ones as they come, until `visit` returns True.

    Raises `BrokerUnavailable`; may be cancelled at any time.
    """
    consumer = make_onlooker(bootstrap, security=security, reset="earliest")
    tp = TopicPartition(topic, partition)
    try:
        await consumer.start()
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        while True:
            for record in (await consumer.getmany(tp, timeout_ms=POLL_MS)).get(tp, ()):
                if visit(record):
                    return
            await asyncio.sleep(0)  # a long journal must not hold up the loop
    except KafkaError as error:
        raise BrokerUnavailable(
            f"Kafka at {bootstrap}: {topic} cannot be read: {error!r}"
        ) from error
    finally:
        await consumer.stop()
