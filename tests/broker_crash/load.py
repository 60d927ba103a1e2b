"""Load on a broker that dies: two idempotent producers and a consumer that commits."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from tests.kafka.broker import Broker, unique

PARTITIONS = 4
PRODUCERS = (b"a", b"b")
IN_FLIGHT_MAX = 300
PATIENCE_MS = 120_000
"""No client gives up while the broker is away."""
SEGMENTS = {"segment.bytes": str(256 * 1024), "retention.ms": "-1"}
"""Small ones: kills shall meet the change from one to the next."""

Place = tuple[int, int]
"""Partition and offset."""


@dataclass
class Load:
    """What was sent, acknowledged and committed so far."""

    bootstrap: str
    topic: str = field(default_factory=lambda: unique("crash"))
    group: str = field(default_factory=lambda: unique("group"))
    sent: dict[bytes, int] = field(default_factory=lambda: dict.fromkeys(PRODUCERS, 0))
    acked: dict[tuple[bytes, int], Place] = field(default_factory=dict)
    failed: list[BaseException] = field(default_factory=list)
    committed: dict[int, int] = field(default_factory=dict)
    """The last offset of each partition whose commit was acknowledged."""
    tried: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    commits: int = 0
    read_again: list[Place] = field(default_factory=list)
    """What came to the consumer although it was committed."""
    stopping: bool = False

    async def create_topic(self) -> None:
        broker = Broker(self.bootstrap)
        await broker.create(PARTITIONS, **{self.topic: SEGMENTS})
        await broker.close()

    async def run(self) -> None:
        """Send and consume until told to stop, and until everything sent is acknowledged."""
        async with asyncio.TaskGroup() as tasks:
            for name in PRODUCERS:
                tasks.create_task(self._produce(name))
            tasks.create_task(self._consume())

    async def _produce(self, name: bytes) -> None:
        room = asyncio.Semaphore(IN_FLIGHT_MAX)
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            enable_idempotence=True,
            linger_ms=2,
            request_timeout_ms=PATIENCE_MS,
            retry_backoff_ms=20,
        )
        async with producer:
            while not self.stopping:
                await room.acquire()
                number = self.sent[name]
                self.sent[name] += 1
                value = b"%d " % number + b"x" * (number % 400)
                delivery = await producer.send(self.topic, value, name, number % PARTITIONS)
                delivery.add_done_callback(lambda done, key=(name, number): self._on_ack(key, done))
                delivery.add_done_callback(lambda _: room.release())
            await producer.flush()

    def _on_ack(self, key: tuple[bytes, int], delivery: asyncio.Future) -> None:
        if error := delivery.exception():
            self.failed.append(error)
        else:
            self.acked[key] = (delivery.result().partition, delivery.result().offset)

    async def _consume(self) -> None:
        consumer = AIOKafkaConsumer(
            self.topic,
            bootstrap_servers=self.bootstrap,
            group_id=self.group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            request_timeout_ms=10_000,
            retry_backoff_ms=20,
        )
        async with consumer:
            while not self.stopping:
                for tp, records in (await consumer.getmany(timeout_ms=100)).items():
                    if records[0].offset < self.committed.get(tp.partition, 0):
                        self.read_again.append((tp.partition, records[0].offset))
                    await self._commit(consumer, tp, records[-1].offset + 1)

    async def _commit(self, consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> None:
        self.tried[tp.partition] = max(offset, self.tried[tp.partition])
        try:
            await consumer.commit({tp: offset})
        except KafkaError:
            return  # not acknowledged: it may be kept or not
        self.committed[tp.partition] = offset
        self.commits += 1


async def stored(load: Load) -> list[ConsumerRecord]:
    """Everything in the topic, as a consumer that comes later reads it."""
    async with AsyncExitStack() as closing:
        broker = Broker(load.bootstrap)
        closing.push_async_callback(broker.close)
        return await broker.records(load.topic, PARTITIONS)


def faults(load: Load, records: list[ConsumerRecord]) -> Iterator[str]:
    """Everything that must not be."""
    places: dict[tuple[bytes, int], Place] = {}
    ends: dict[int, int] = defaultdict(int)
    last: dict[tuple[bytes, int], int] = defaultdict(lambda: -1)
    for record in records:
        key = (record.key, int(record.value.split()[0]))
        place = (record.partition, record.offset)
        if record.offset != ends[record.partition]:
            yield f"{place} follows offset {ends[record.partition] - 1}"
        ends[record.partition] = record.offset + 1
        if key in places:
            yield f"{key} is stored twice: {places[key]} and {place}"
        elif key[1] <= last[record.key, record.partition]:
            yield f"{key} at {place} comes after {last[record.key, record.partition]}"
        places[key] = place
        last[record.key, record.partition] = key[1]
    for key, place in load.acked.items():
        if places.get(key) != place:
            yield f"{key} was acknowledged at {place}, found at {places.get(key)}"
