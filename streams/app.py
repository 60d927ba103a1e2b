"""The composition root: runs the processes of Stepwell as the settings say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

import structlog

from stepwell.streams.agents.watchdog import Watchdog
from stepwell.streams.agents.worker import Worker
from stepwell.streams.collections import (
    create_collection,
    drop_collection,
    list_collections,
    switch_collection,
)
from stepwell.streams.deadletters.service import (
    discard_dead_letters,
    list_dead_letters,
    retry_dead_letters,
    show_dead_letter,
)
from stepwell.streams.default_workflows import embed_content
from stepwell.streams.gateway import server
from stepwell.streams.gateway.api import Instances
from stepwell.streams.gateway.dead_letters import DeadLetters
from stepwell.streams.gateway.probes import serving_probes
from stepwell.streams.metrics import Metrics
from stepwell.streams.operator.control import (
    check_histories,
    create_instance,
    export_instances,
    open_control,
    tell_instance,
    wait_for_instance,
)
from stepwell.streams.operator.explaining import explain_instance
from stepwell.streams.operator.forgetting.service import forget_subject, plan_forgetting
from stepwell.streams.operator.past import describe_instance_at
from stepwell.streams.operator.producing import contract, publish
from stepwell.streams.operator.queries import (
    describe_instance,
    doctor,
    ensure_topics,
    list_instances,
    search,
)
from stepwell.streams.operator.reading import follow_journal
from stepwell.streams.operator.reindexing import follow_reindex, reindexes_of, start_reindex
from stepwell.streams.operator.replaying import execute_replay, plan_again, plan_replay
from stepwell.streams.readmodel.reader import ModelReader
from stepwell.streams.settings import Settings
from stepwell.streams.wiring import (
    gateway_config,
    load_factory,
    worker_config,
)

__all__ = [
    "check_histories",
    "contract",
    "create_collection",
    "create_instance",
    "describe_instance",
    "describe_instance_at",
    "discard_dead_letters",
    "doctor",
    "drop_collection",
    "embed_content",
    "ensure_topics",
    "execute_replay",
    "explain_instance",
    "export_instances",
    "follow_reindex",
    "forget_subject",
    "list_collections",
    "list_dead_letters",
    "list_instances",
    "plan_again",
    "plan_forgetting",
    "plan_replay",
    "publish",
    "retry_dead_letters",
    "run_gateway",
    "run_worker",
    "search",
    "show_dead_letter",
    "start_reindex",
    "switch_collection",
    "tell_instance",
    "wait_for_instance",
]

log = structlog.get_logger(__name__)


async def run_gateway(settings: Settings, stop: asyncio.Event) -> None:
    """Serve webhooks and the API until `stop` is set."""
    _say_warnings(settings)

    @asynccontextmanager
    async def instances() -> AsyncIterator[Instances]:
        name = f"gateway-{settings.gateway.port}"
        async with (
            follow_journal(settings, name) as follower,
            open_control(settings, follower) as control,
        ):
            reader = ModelReader(follower)
            yield Instances(
                control,
                reader.details,
                reindexes_of(settings, control).start,
                settings.gateway.max_upload_bytes,
                reader=reader,
            )

    dead_letters = DeadLetters(
        partial(list_dead_letters, settings),
        partial(show_dead_letter, settings),
        partial(retry_dead_letters, settings),
        partial(discard_dead_letters, settings),
    )
    await server.run_gateway(gateway_config(settings), stop, instances, dead_letters)


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Carry workflows until `stop` is set; raises what ended the worker otherwise."""
    _say_warnings(settings)
    factory = load_factory(settings.worker.workflows)
    await ensure_topics(settings)
    metrics = Metrics(version("stepwell"))
    async with factory(settings) as workflows:
        if workflows.measure is not None:
            workflows.measure(metrics)
        worker = Worker(worker_config(settings), workflows, metrics)
        watchdog = Watchdog(settings.worker.watchdog_timeout_ms, worker.work)
        watching = asyncio.create_task(watchdog.run())
        try:
            async with serving_probes(settings.metrics, metrics, lambda: worker.ready):
                await worker.run(stop)
        finally:
            watching.cancel()


def _say_warnings(settings: Settings) -> None:
    for warning in settings.warnings:
        log.warning(warning)
