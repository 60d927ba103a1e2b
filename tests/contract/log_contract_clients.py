"""What the suites for the log share: fixtures on `bootstrap`, and short ways to use aiokafka."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from tests.kafka.broker import Broker, unique
from tests.kafka.flavours import Setup

KEPT = {"retention.ms": "-1"}
"""For records with old timestamps."""


class LogFixtures:
    """A subclass provides the fixture `bootstrap`, the address of the broker under test."""

    @pytest.fixture
    async def broker(self, bootstrap: str) -> AsyncIterator[Broker]:
        broker = Broker(bootstrap)
        yield broker
        await broker.close()

    @pytest.fixture
    def setup(self, bootstrap: str, tmp_path: Path) -> Setup:
        """A Faust worker on topics of its own that are still to be created."""
        return Setup(bootstrap, tmp_path)

    @pytest.fixture
    async def topic(self, broker: Broker) -> str:
        """An empty topic of one partition."""
        return await created(broker)


async def created(broker: Broker, partitions: int = 1, **configs: str) -> str:
    """A new topic; an underscore stands for the dot in names of configs."""
    name = unique("log")
    dotted = {key.replace("_", "."): value for key, value in configs.items()}
    await broker.create(partitions, **{name: KEPT | dotted})
    return name


def producer(broker: Broker, **settings: Any) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=broker.bootstrap, **settings)


@asynccontextmanager
async def reader(broker: Broker, topic: str, **settings: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of partition 0, at its beginning, in no group."""
    async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, **settings) as consumer:
        tp = TopicPartition(topic, 0)
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        yield consumer


async def read(consumer: AIOKafkaConsumer, count: int) -> list[ConsumerRecord]:
    """The next records."""
    return [await consumer.getone() for _ in range(count)]


async def values(broker: Broker, topic: str, partitions: int = 1) -> list[bytes | None]:
    """All values that a topic holds now."""
    return [record.value for record in await broker.records(topic, partitions)]
