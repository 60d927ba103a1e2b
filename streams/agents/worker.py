"""The worker: two agents and two tables on one Faust app. Only wires; nothing is decided here."""

import asyncio
import itertools
import os
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from aiokafka.errors import KafkaError

from stepwell.schemas.dead_letters import Failure
from stepwell.schemas.journal import InstanceKey, InstanceRecord
from stepwell.schemas.parts import Retention
from stepwell.schemas.topics import Topics
from stepwell.streams.agents.census import Census
from stepwell.streams.agents.instances import Instances
from stepwell.streams.agents.lifecycle import lifecycle_event
from stepwell.streams.agents.observe import Observer
from stepwell.streams.agents.records import RawRecord, dead_letter
from stepwell.streams.agents.route import Router
from stepwell.streams.agents.rows import TableRows
from stepwell.streams.engine.fold import Verdict
from stepwell.streams.engine.state import Status
from stepwell.streams.kafka.app import KafkaAppConfig, create_app, raw_table, raw_topic
from stepwell.streams.kafka.running import run_app
from stepwell.streams.metrics import Metrics
from stepwell.streams.runtime.admission import Gate
from stepwell.streams.runtime.bodies import StepBodies
from stepwell.streams.runtime.clock import Clock, system_clock
from stepwell.streams.runtime.near_limits import NearLimits
from stepwell.streams.runtime.registry import Workflows
from stepwell.streams.runtime.surroundings import DEFAULT_RETENTION, Surroundings
from stepwell.streams.spans import NO_TRACING, Headers, Tracing

TICK_S = 1.0
LAG_EVERY_S = 2


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker needs to know beside its workflows."""

    kafka: KafkaAppConfig
    topics: Topics
    max_running_steps: int = 1000
    max_running_instances: int = 10_000
    retention: Retention = DEFAULT_RETENTION


class Worker:
    """Carries workflows on the partitions that the group gives it, until told to stop."""

    def __init__(
        self,
        config: WorkerConfig,
        workflows: Workflows,
        metrics: Metrics,
        clock: Clock = system_clock,
        *,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._topics = topics = config.topics
        self._metrics = metrics
        self._clock = clock
        self._version = version("stepwell")
        self.app = create_app(config.kafka)
        self._bodies = StepBodies(clock, running_max=config.max_running_steps, tracing=tracing)
        self._headers = raw_table(self.app, "instances", changelog=topics.instances_changelog)
        self._history = raw_table(self.app, "history", changelog=topics.history_changelog)
        raw_topic(self.app, topics.dead_letters)
        raw_topic(self.app, topics.lifecycle)
        self._router = Router(
            workflows, self.append_instance, self._dead_letter, metrics, clock, tracing=tracing
        )
        around = Surroundings(
            append=self._append,
            append_instance=self.append_instance,
            bodies=self._bodies,
            call_soon=lambda function: asyncio.get_running_loop().call_soon(function),
            call_later=_call_later,
            workflow=workflows.create,
            clock=clock,
            observe=self.observe,
            worker=f"{socket.gethostname()}-{os.getpid()}",
            gate=Gate(config.max_running_instances, clock, _call_later),
            near_limits=NearLimits(lambda limit: metrics.worker.limits_near.labels(limit).inc()),
            announce=self._announce,
            tracing=tracing,
            followers=workflows.followers,
            retention=config.retention,
        )
        self._workflows = workflows
        self._instances = Instances(self._rows, self._bodies, around, self._dead_letter)
        self._observer = Observer(metrics, workflows.names)
        self._censuses: dict[int, Census] = {}
        self._waiting = 0
        self._declare_agents()
        self.app.on_recovered(self._recovered)
        self.app.on_revoked(self._revoked)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; raises what ended the worker otherwise."""
        self.app.producer.on_acknowledged = self._acknowledged
        ticking = asyncio.create_task(self._tick())
        try:
            await run_app(self.app, stop)
        finally:
            ticking.cancel()
            self._bodies.close()

    @property
    def ready(self) -> bool:
        """Whether every partition that the group gave us is active here."""
        return self._instances.ready

    def observe(self, key: InstanceKey, record: InstanceRecord, verdict: Verdict) -> None:
        """Told of every record of the journal and what became of it."""
        self._observer(key, record, verdict)

    def work(self) -> tuple[int, int]:
        """Records finished since the start, and records of owned partitions that still wait."""
        return self.app.consumer.finished_total, self._waiting

    def _declare_agents(self) -> None:
        # An event is acknowledged when the loop comes back for the next one, never on an exception.
        @self.app.agent(raw_topic(self.app, self._topics.events), name="route", concurrency=1)
        async def route(stream: Any) -> None:
            async for event in stream.events():
                self._router.handle(_raw(event.message))
                self._processed(event.message)

        @self.app.agent(raw_topic(self.app, self._topics.journal), name="instances", concurrency=1)
        async def instances(stream: Any) -> None:
            async for event in stream.events():
                self._instances.handle(_raw(event.message))
                self._processed(event.message)

    async def _recovered(self, partitions: frozenset[int]) -> None:
        self._metrics.worker.rebalances.inc()
        self._metrics.worker.recovery_duration.observe(self.app.tables.recovery.lasting_s)
        self._censuses.clear()
        self._instances.recovered(partitions)
        for key, value in self._workflows.schedules(self._clock()):
            if self._partition_of(self._topics.journal, key) in partitions:
                self.append_instance(key, value)

    async def _revoked(self, partitions: frozenset[int]) -> None:
        self._censuses.clear()
        await self._instances.revoke(partitions)

    async def _tick(self) -> None:
        for second in itertools.count():
            await asyncio.sleep(TICK_S)
            self._instances.tick()
            timers = self._bodies.timers + self._instances.timers
            self._metrics.worker.timers_pending.set(timers)
            self._metrics.worker.partitions_owned.set(len(self._censuses))
            self._metrics.worker.unacknowledged.set(self.app.producer.unacknowledged)
            await self._take_census()
            if second % LAG_EVERY_S == 0:
                self._waiting = await self._measure_lag()

    async def _take_census(self) -> None:
        for partition, census in list(self._censuses.items()):
            while self._censuses.get(partition) is census:
                if not census.count_some():
                    break
                await asyncio.sleep(0)
        counts = sum((census.counts for census in self._censuses.values()), Counter())
        self._metrics.worker.census(counts, Status)

    async def _measure_lag(self) -> int:
        """How many records of our partitions are not done, in all; also as metrics."""
        try:
            lags = await self.app.consumer.lag()
        except KafkaError:
            return 0  # without a broker nothing can be finished: no reason to end
        self._metrics.worker.consumer_lag.clear()  # of partitions that left
        for tp, lag in lags.items():
            self._metrics.worker.consumer_lag.labels(tp.topic, tp.partition).set(lag)
        return sum(lags.values())

    def _rows(self, partition: int) -> TableRows:
        rows = TableRows(self._headers, self._history, partition)
        self._censuses[partition] = rows.census
        return rows

    def _processed(self, message: Any) -> None:
        self._metrics.worker.last_processed.labels(message.topic).set(self._clock() / 1000)

    def _acknowledged(self, topic: str, seconds: float) -> None:
        if topic == self._topics.journal:
            self._metrics.worker.append_duration.observe(seconds)

    # A failed delivery of any of these ends the worker; a commit waits for all of them.

    def _append(self, partition: int, key: bytes, value: bytes, headers: Headers = ()) -> None:
        producer, topic = self.app.producer, self._topics.journal
        producer.append(topic, key=key, value=value, partition=partition, headers=headers)

    def append_instance(self, key: bytes, value: bytes, headers: Headers = ()) -> None:
        """Append a record of an instance to the journal partition of its key."""
        self._append(self._partition_of(self._topics.journal, key), key, value, headers)

    def _announce(
        self, key: InstanceKey, status: Status | None, offset: int, record: InstanceRecord
    ) -> None:
        event = lifecycle_event(key, status, offset, record)
        topic = self._topics.lifecycle
        self.app.producer.append(
            topic,
            key=event.key,
            value=event.value,
            partition=self._partition_of(topic, key.encode()),
            headers=event.headers,
        )

    def _dead_letter(self, record: RawRecord, failure: Failure) -> None:
        self._metrics.worker.dead_letter(failure.reason)
        letter = dead_letter(record, failure, now_ms=self._clock(), app_version=self._version)
        self.app.producer.append(
            self._topics.dead_letters,
            key=letter.key,
            value=letter.value,
            partition=record.partition,
            headers=letter.headers,
        )

    def _partition_of(self, topic: str, key: bytes) -> int:
        partition: int = self.app.producer.key_partition(topic, key).partition
        return partition


def _call_later(ms: int, function: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(ms / 1000, function)


def _raw(message: Any) -> RawRecord:
    return RawRecord(
        message.topic,
        message.partition,
        message.offset,
        round(message.timestamp * 1000),
        message.key,
        message.value,
        tuple(message.headers or ()),
    )
