"""The Faust app of a worker: settings, topics, tables, and how it gives partitions up."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import faust
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.kafka import transport
from stepwell.streams.kafka.consumer import StrictConsumer
from stepwell.streams.kafka.delivery import RawConductor, SafeStream
from stepwell.streams.kafka.errors import RevokeTimedOut
from stepwell.streams.kafka.producer import StrictProducer
from stepwell.streams.kafka.rocksdb import RocksStore
from stepwell.streams.kafka.security import Security
from stepwell.streams.kafka.stores import MemoryStore, RowStore
from stepwell.streams.kafka.tables import CheckRow, RowTable, RowTableManager

PartitionsCallback = Callable[[frozenset[int]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class KafkaAppConfig:
    """Everything about one worker's use of Kafka. The defaults suit one machine."""

    bootstrap: str
    """`host:port`, several separated by commas."""
    app_id: str
    """Names the consumer group."""
    partitions: int
    store: Literal["memory", "rocksdb"] = "memory"
    data_dir: Path | None = None
    """Where RocksDB keeps its rows; belongs to one process."""
    security: Security = field(default_factory=Security)
    client_id: str = "stepwell"
    group_instance_id: str | None = None
    commit_interval_ms: int = 500
    session_timeout_ms: int = 10_000
    heartbeat_interval_ms: int = 2_000
    rebalance_timeout_ms: int = 60_000
    revoke_timeout_ms: int = 15_000
    """For each thing to do before partitions are given up: an event in hand, a callback, a commit.
    """
    delivery_timeout_ms: int = 60_000
    """After so long without an acknowledgement the worker ends."""
    recovery_stall_timeout_ms: int = 60_000
    """After so long without a changelog record the worker ends."""
    record_bytes_max: int = 1_048_576
    """The largest record that is sent; the topics must allow it."""
    buffered_events_max: int = 4096
    """Per topic: so many events wait for their agent before fetching pauses."""
    queued_records_max: int = 20_000
    """So many unacknowledged records before no more events are taken in."""


class SafeApp(faust.App):
    """A Faust app that commits nothing it has not done, and ends when it cannot go on safely."""

    if TYPE_CHECKING:  # Faust makes these of the classes that `_settings` and the transport name
        consumer: StrictConsumer
        producer: StrictProducer
        tables: RowTableManager
        topics: RawConductor

    def __init__(self, config: KafkaAppConfig) -> None:
        self.config = config
        self.declared_topics: dict[str, int] = {}
        self._revoked_callbacks: list[PartitionsCallback] = []
        self._recovered_callbacks: list[PartitionsCallback] = []
        self._giving_up = asyncio.Lock()
        super().__init__(config.app_id, **_settings(config))

    def on_revoked(self, callback: PartitionsCallback) -> PartitionsCallback:
        """Call before partitions are given up, when no event is in an agent's hands any more.

        What was done is committed afterwards. The set is all that this worker owned, even if it
        gets some of it back at once; its `on_recovered` may have been cut short. Taking longer than
        `revoke_timeout_ms` ends the worker.
        """
        self._revoked_callbacks.append(callback)
        return callback

    def on_recovered(self, callback: PartitionsCallback) -> PartitionsCallback:
        """Call when the tables hold everything of the partitions that are now owned.

        No event flows before it returns. It is cancelled if another rebalance begins meanwhile.
        """
        self._recovered_callbacks.append(callback)
        return callback

    async def tell_recovered(self, partitions: frozenset[int]) -> None:
        """Run the `on_recovered` callbacks."""
        for callback in self._recovered_callbacks if partitions else ():
            await callback(partitions)

    async def give_up(self) -> None:
        """Finish with all partitions: stop, tell, commit. Raises `RevokeTimedOut`."""
        consumer = self.consumer
        async with self._giving_up:
            await self.tables.recovery.cancel()
            await consumer.stop_delivery()
            self.flow_control.suspend()
            self.flow_control.clear()
            if not self.crashed:
                await self._bounded(consumer.wait_empty(), "an agent to finish its event")
            owned = consumer.owned
            for callback in self._revoked_callbacks if owned else ():
                await self._bounded(callback(owned), "an on_revoked callback")
            # A frozen worker wakes up: what it had not sent is not its to write any more.
            late = consumer.lease_lapsed
            withdrawn = self.producer.withdraw("no heartbeat was answered in time") if late else ()
            await self._bounded(consumer.commit(), "the final commit")
            consumer.own(())
            self.tables.forget(withdrawn)
            if late and not self.should_stop:
                await self._bounded(self.producer.connect(), "the producer to connect anew")

    async def _bounded(self, awaitable: Awaitable[object], what: str) -> None:
        timeout_ms = self.config.revoke_timeout_ms
        try:
            await asyncio.wait_for(awaitable, timeout_ms / 1000)
        except TimeoutError as error:
            in_hand = ", ".join(self.consumer.in_hand) or "none"
            raise RevokeTimedOut(f"{what} (in hand: {in_hand})", timeout_ms) from error

    # -- what Faust calls

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:  # noqa: ARG002
        await self._give_up_or_crash()

    async def _give_up_or_crash(self) -> None:
        # aiokafka logs what a listener raises and goes on, and Faust would stop to stop: what goes
        # wrong in a service's future is the crash reason of the app.
        await asyncio.wait([self.add_future(self.give_up())])

    async def _stop_consumer(self) -> None:
        if self._consumer is not None and self._consumer.assignment():
            await self._give_up_or_crash()
        await self.tables.stop()

    async def _producer_flush(self, logger: Any) -> None:
        """Everything that matters was flushed with the last commit."""

    def _create_directories(self) -> None:
        """RocksDB makes its own."""


def create_app(config: KafkaAppConfig) -> SafeApp:
    """A worker's app; declare its topics, tables and agents next, then `run_app`."""
    if config.store == "rocksdb" and config.data_dir is None:
        raise ConfigurationError("the rocksdb store needs a data_dir of its own")
    transport.register()
    return SafeApp(config)


def raw_topic(app: SafeApp, name: str, *, partitions: int | None = None) -> faust.TopicT:
    """A topic of bytes, to consume from or to append to. It must exist when the app starts."""
    count = partitions or app.config.partitions
    app.declared_topics[name] = count
    return app.topic(
        name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=count,
    )


def raw_table(
    app: SafeApp, name: str, *, changelog: str, check: CheckRow | None = None
) -> RowTable:
    """A table of bytes with the changelog topic of this name, compacted and as wide as the app."""
    topic = raw_topic(app, changelog)
    topic.acks = False
    rows = _row_store(app.config, name)
    table = RowTable(app, name, changelog_topic=topic, rows=rows, check=check)
    return cast(RowTable, app.tables.add(table))


def _row_store(config: KafkaAppConfig, name: str) -> RowStore:
    if config.store == "memory":
        return MemoryStore()
    assert config.data_dir is not None
    return RocksStore(config.data_dir / config.app_id / name)


def _settings(config: KafkaAppConfig) -> Mapping[str, Any]:
    brokers = ";".join(
        f"{transport.SCHEME}://{host.strip()}" for host in config.bootstrap.split(",")
    )
    return {
        "env": {},  # Faust would let any environment variable override these
        "broker": brokers,
        "autodiscover": False,
        "processing_guarantee": "at_least_once",
        "agent_supervisor": CrashingSupervisor,
        "TableManager": RowTableManager,
        "Stream": SafeStream,
        "broker_client_id": config.client_id,
        "broker_commit_interval": config.commit_interval_ms / 1000,
        "broker_session_timeout": config.session_timeout_ms / 1000,
        "broker_heartbeat_interval": config.heartbeat_interval_ms / 1000,
        "broker_rebalance_timeout": config.rebalance_timeout_ms / 1000,
        "broker_request_timeout": max(30.0, config.session_timeout_ms / 1000),
        "broker_max_poll_records": 500,
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": config.group_instance_id,
        "producer_linger": 0,
        "producer_acks": -1,
        "producer_max_batch_size": 131_072,
        "producer_max_request_size": config.record_bytes_max,
        "producer_request_timeout": config.delivery_timeout_ms / 2000,
        "stream_buffer_maxsize": config.buffered_events_max,
        "table_standby_replicas": 0,
        "topic_partitions": config.partitions,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
        "worker_redirect_stdouts": False,
    }
