"""A real worker on the embedded broker, in this process, and an operator beside it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient

from stepwell.schemas.topics import Topics
from stepwell.streams import Workflow, Workflows, on_event
from stepwell.streams.agents.worker import Worker
from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.kafka.tail import read_tail
from stepwell.streams.metrics import Metrics
from stepwell.streams.operator.queries import ensure_topics, list_instances
from stepwell.streams.settings import Settings
from stepwell.streams.settings_load import load_settings
from stepwell.streams.wiring import topics_of, worker_config
from tests.kafka.broker import unique
from tests.kafka.conditions import eventually


class Order(Workflow, name="order"):
    """Fails in its trigger for orders without a total, until `Order.mended`."""

    mended = False
    triggers = (on_event("shop.*", params=lambda event: Order.params_of(event)),)  # noqa: PLW0108

    @classmethod
    def params_of(cls, event):
        return {"total": event.data.get("total", 0) if cls.mended else event.data["total"]}

    async def run(self, event, step):
        return event.payload["total"]


@dataclass
class Shop:
    """A deployment of one workflow."""

    settings: Settings
    producer: AIOKafkaProducer

    @property
    def topics(self) -> Topics:
        return topics_of(self.settings.kafka)

    @asynccontextmanager
    async def worker(self, delivery_timeout_ms: int = 60_000) -> AsyncIterator[asyncio.Task[None]]:
        """A worker that owns its partitions; the task ends with what ended it."""
        config = worker_config(self.settings)
        config = replace(
            config, kafka=replace(config.kafka, delivery_timeout_ms=delivery_timeout_ms)
        )
        stop = asyncio.Event()
        worker = Worker(config, Workflows([(Order, None)]), Metrics("test"))
        running = asyncio.create_task(worker.run(stop))
        try:
            await eventually(lambda: worker.ready or running.done(), "the worker is ready")
            yield running
        finally:
            stop.set()
            await asyncio.gather(running, return_exceptions=True)

    async def publish(self, value: bytes, key: str = "order-7", id_: str = "e-1", **headers) -> int:
        """Append an event to partition 1; its offset."""
        pairs = [("ce_specversion", b"1.0"), ("ce_id", id_.encode()), ("ce_source", b"/shop")]
        pairs += [("ce_type", b"shop.order"), *headers.items()]
        stored = await self.producer.send_and_wait(
            self.topics.events, value, key.encode(), partition=1, headers=pairs
        )
        return stored.offset

    async def records(self, topic: str) -> list[ConsumerRecord]:
        found: list[ConsumerRecord] = []
        await read_tail(self.settings.kafka.bootstrap, topic, found.append, count_max=sys.maxsize)
        return found

    async def until_letters(self, count: int) -> None:
        async def there() -> bool:
            return len(await self.records(self.topics.dead_letters)) >= count

        await eventually(there, f"{count} records in dead letters")

    async def until_complete(self, count: int) -> None:
        async def there() -> bool:
            return len(await list_instances(self.settings, status="complete")) >= count

        await eventually(there, f"{count} instances are complete")

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    async def committed(self) -> int:
        """The next offset of the events partition that a worker would begin at."""
        async with self.admin() as admin:
            offsets = await admin.list_consumer_group_offsets(self.settings.kafka.app_id)
        found = {tuple(tp): meta.offset for tp, meta in offsets.items()}
        return found.get((self.topics.events, 1), 0)


@asynccontextmanager
async def open_shop(bootstrap: str, folder: Path) -> AsyncIterator[Shop]:
    """A shop with topics of its own."""
    name = unique("shop")
    flags = {
        "kafka.bootstrap": bootstrap,
        "kafka.prefix": name,
        "kafka.app_id": f"{name}-worker",
        "kafka.partitions": "2",
        "worker.store": "memory",
        "worker.commit_interval_ms": "50",
        "worker.session_timeout_ms": "6000",
        "readmodel.dir": str(folder / "readmodel"),
        "index.url": f"sqlite://{folder / 'index.db'}",
    }
    settings = load_settings(flags=flags, environ={}, config=None, directory=folder)
    await ensure_topics(settings)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        yield Shop(settings, producer)


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """A shop on the embedded broker."""
    monkeypatch.setattr(Order, "mended", False)
    async with (
        EmbeddedBroker(BrokerConfig(tmp_path / "broker")) as broker,
        open_shop(broker.address, tmp_path) as shop,
    ):
        yield shop
