"""The same small worker on Faust as it comes and on ours: what the regression tests compare.

Both have one source topic, one table and one agent. The agent's body is given by the test.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import faust
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from stepwell.streams.kafka.app import KafkaAppConfig, SafeApp, create_app, raw_table, raw_topic
from tests.kafka.broker import COMPACTED, Broker, unique

STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Setup:
    """One worker's facts, shared by both kinds. The changelog has the name that Faust gives it."""

    bootstrap: str
    folder: Path
    app_id: str = field(default_factory=lambda: unique("app"))
    source: str = field(default_factory=lambda: unique("source"))
    partitions: int = 1
    concurrency: int = 1
    commit_interval_ms: int = 100
    record_bytes_max: int = 1_000_000

    @property
    def changelog(self) -> str:
        return f"{self.app_id}-rows-changelog"

    async def create_topics(self, broker: Broker, **changelog_config: str) -> None:
        await broker.create(self.partitions, **{self.source: {}})
        await broker.create(self.partitions, **{self.changelog: {**COMPACTED, **changelog_config}})

    def through(self, bootstrap: str) -> "Setup":
        """The same worker, by way of another address."""
        return replace(self, bootstrap=bootstrap)


@dataclass
class Built:
    """An app with its topic and table; declare the agent, then run it."""

    app: faust.App
    topic: Any
    table: Any
    may_hang: bool = False
    """Stock Faust waits without a limit for events that its dead agent was never given."""

    def agent(self, body: Callable[[Any], Awaitable[None]], concurrency: int = 1) -> None:
        self.app.agent(self.topic, name="agent", concurrency=concurrency)(body)

    def observe_commits(self) -> list[dict[TP, int]]:
        """What the app asks to be committed from now on; the list grows.

        Whether the last request of a crashing app gets through is a race; that it asks is not.
        """
        asked: list[dict[TP, int]] = []
        consumer: Any = self.app.consumer
        commit = consumer._commit

        async def observed(offsets: Mapping[TP, int]) -> Any:
            asked.append(dict(offsets))
            return await commit(offsets)

        consumer._commit = observed
        return asked

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start, and stop within bounds. Entered when tables are recovered, or the app crashed."""
        try:
            await self.app.start()
            yield
        finally:
            await self.stop()

    async def stop(self) -> None:
        stopping = asyncio.ensure_future(self.app.stop())
        done, _ = await asyncio.wait([stopping], timeout=STOP_TIMEOUT_S)
        if self.may_hang:
            stopping.cancel()
        else:
            assert done, "the app does not stop"

    @property
    def crash_reason(self) -> BaseException | None:
        return self.app.crash_reason


def stock(setup: Setup, *, row_type: type | None = bytes, **settings: Any) -> Built:
    """Faust as it comes, with the settings one would choose for safety. Untyped rows are JSON."""
    app = faust.App(
        setup.app_id,
        env={},
        broker=f"kafka://{setup.bootstrap}",
        datadir=str(setup.folder / "faust"),
        agent_supervisor=CrashingSupervisor,
        broker_commit_interval=setup.commit_interval_ms / 1000,
        broker_session_timeout=10,
        broker_heartbeat_interval=1,
        broker_request_timeout=30,
        producer_max_request_size=setup.record_bytes_max,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        **settings,
    )
    topic = app.topic(setup.source, value_type=bytes, value_serializer="raw", key_type=bytes)
    table = app.Table("rows", key_type=row_type, value_type=row_type, partitions=setup.partitions)
    return Built(app, topic, table, may_hang=True)


def ours(setup: Setup, check: Any = None, **settings: Any) -> Built:
    """Ours, on the same topics."""
    app = safe_app(setup, **settings)
    table = raw_table(app, "rows", changelog=setup.changelog, check=check)
    return Built(app, raw_topic(app, setup.source), table)


def safe_app(setup: Setup, **settings: Any) -> SafeApp:
    config = KafkaAppConfig(
        bootstrap=setup.bootstrap,
        app_id=setup.app_id,
        partitions=setup.partitions,
        commit_interval_ms=setup.commit_interval_ms,
        heartbeat_interval_ms=1000,
        record_bytes_max=setup.record_bytes_max,
        data_dir=setup.folder / unique("rocks"),
    )
    return create_app(replace(config, **settings))
