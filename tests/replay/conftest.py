"""A deployment without workers: a broker in this process, and a journal that a kit has written."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from stepwell.schemas import codec
from stepwell.schemas.cloudevents import encode
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.schemas.parts import Origin
from stepwell.schemas.topics import Topics
from stepwell.streams.broker.config import BrokerConfig
from stepwell.streams.broker.embedded import EmbeddedBroker
from stepwell.streams.engine.triggers import event_instance_id
from stepwell.streams.kafka.admin import ensure_topics
from stepwell.streams.settings import KafkaSettings, ReadModelSettings, Settings, WorkerSettings
from stepwell.streams.testing import WorkflowTest
from stepwell.streams.wiring import topics_of
from tests.kafka.broker import Broker

START_MS = 1_767_225_600_000
MINUTE_MS = 60_000


@dataclass
class Log:
    """The topics of a deployment, written as gateways and workers write them."""

    settings: Settings
    broker: Broker
    producer: AIOKafkaProducer

    @property
    def topics(self) -> Topics:
        return topics_of(self.settings.kafka)

    async def publish(self, *events: CloudEvent, at_ms: int = START_MS) -> int:
        """Append events a minute apart; the offset of the last."""
        offset = -1
        for number, event in enumerate(events):
            key, value, headers = encode(event)
            sent = await self.producer.send_and_wait(
                self.topics.events,
                value,
                key,
                partition=0,
                headers=headers,
                timestamp_ms=at_ms + number * MINUTE_MS,
            )
            offset = sent.offset
        return offset

    async def write_journal(self, test: WorkflowTest) -> None:
        """Append what the kit has in its journal: its offsets are those of an empty partition."""
        for number, (key, value) in enumerate(test._world.journal.records):
            await self.producer.send_and_wait(
                self.topics.journal,
                value,
                key,
                partition=0,
                timestamp_ms=START_MS + number * MINUTE_MS,
            )

    async def journal(self) -> list[tuple[InstanceKey, Any]]:
        """The instance records of the journal."""
        found = await self.broker.records(self.topics.journal, 1)
        return [
            (InstanceKey.decode(it.key), codec.decode(it.value))
            for it in found
            if not it.key.startswith(b"@")
        ]


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    config = BrokerConfig(data_dir=tmp_path / "broker", port=0, upkeep_interval_ms=100)
    async with EmbeddedBroker(config) as embedded:
        settings = Settings(
            kafka=KafkaSettings(bootstrap=embedded.address, prefix="t", partitions=1),
            worker=WorkerSettings(
                workflows="tests.replay.flows:workflows", data_dir=tmp_path / "data"
            ),
            readmodel=replace(ReadModelSettings(), dir=tmp_path / "readmodel"),
        )
        kept = [replace(it, retention_ms=None) for it in topics_of(settings.kafka).facts()]
        await ensure_topics(embedded.address, kept, 1)  # records of long ago stay
        broker = Broker(embedded.address)
        async with AIOKafkaProducer(bootstrap_servers=embedded.address) as producer:
            yield Log(settings, broker, producer)
        await broker.close()


def put(test: WorkflowTest, workflow: str, event: CloudEvent, offset: int) -> None:
    """Create the instance of an event in a kit, as the route agent does."""
    origin = Origin(event.id, event.type, event.source, event.subject, "t.events", 0, offset)
    created = InstanceCreated(event.data, test._world.clock(), origin)
    key = InstanceKey(workflow, event_instance_id(event))
    test._world.journal.put(key.encode(), codec.encode(created))
