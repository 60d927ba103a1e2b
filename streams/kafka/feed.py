"""A whole topic as rows, from given offsets on, without a consumer group."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.kafka.onlooker import POLL_MS, make_onlooker
from stepwell.streams.kafka.security import Security

ROWS_MAX = 500
"""So many records are given out together."""


class Bounds(NamedTuple):
    """Where the records of a partition begin, and the offset after the last one."""

    first: int
    end: int


class Feed:
    """Committed records of all partitions, in the order of each.

    All of it may raise `BrokerUnavailable`, and be cancelled at any time.
    """

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, bootstrap: str) -> None:
        self._consumer = consumer
        self._topic = topic
        self._bootstrap = bootstrap

    async def bounds(self) -> dict[int, Bounds]:
        """Those of each partition now; nothing, if there is no such topic."""
        with self._translated():
            # aiokafka tells the partitions of a topic only to those who have subscribed to it.
            cluster = await self._consumer._client.fetch_all_metadata()  # noqa: SLF001
            partitions = sorted(cluster.partitions_for_topic(self._topic) or ())
            tps = [TopicPartition(self._topic, partition) for partition in partitions]
            first = await self._consumer.beginning_offsets(tps)
            end = await self._consumer.end_offsets(tps)
        return {tp.partition: Bounds(first[tp], end[tp]) for tp in tps}

    def begin(self, starts: Mapping[int, int]) -> None:
        """Give out what lies at these offsets and later."""
        tps = {TopicPartition(self._topic, partition): at for partition, at in starts.items()}
        self._consumer.assign(list(tps))
        for tp, offset in tps.items():
            self._consumer.seek(tp, offset)

    async def rows(self) -> list[tuple[int, int, bytes, bytes]] | None:
        """What has come: partition, offset, key, value; None: what comes next is gone."""
        with self._translated():
            try:
                found = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=ROWS_MAX)
            except OffsetOutOfRangeError:
                return None
        return [
            (it.partition, it.offset, it.key or b"", it.value or b"")
            for records in found.values()
            for it in records
        ]

    async def reached(self, bounds: Mapping[int, tuple[int, int]]) -> bool:
        """Whether everything before these ends was given out."""
        with self._translated():
            for partition, (_, end) in bounds.items():
                tp = TopicPartition(self._topic, partition)
                # The position moves past gaps, such as the marks of transactions.
                if await self._consumer.position(tp) < end:
                    return False
        return True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except KafkaError as error:
            raise BrokerUnavailable(
                f"Kafka at {self._bootstrap}: {self._topic} cannot be read: {error!r}"
            ) from error


@asynccontextmanager
async def open_feed(
    bootstrap: str, topic: str, *, security: Security | None = None
) -> AsyncIterator[Feed]:
    """A feed of the topic, to be told where to begin; raises `BrokerUnavailable`."""
    consumer = make_onlooker(bootstrap, security=security, reset="none")
    try:
        try:
            await consumer.start()
        except KafkaError as error:
            raise BrokerUnavailable(
                f"Kafka at {bootstrap}: {topic} cannot be read: {error!r}"
            ) from error
        yield Feed(consumer, topic, bootstrap)
    finally:
        await consumer.stop()
