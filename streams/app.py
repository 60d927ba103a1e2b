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
from stepwell.streams.dashboard.app import dashboard
from stepwell.streams.dashboard.dead_letter_pages import DeadLetterPages
from stepwell.streams.dashboard.instance import InstancePages, Ports
from stepwell.streams.dashboard.instances import InstancesPage
from stepwell.streams.dashboard.reindex_pages import ReindexPages
from stepwell.streams.dashboard.replay_pages import ReplayPages
from stepwell.streams.dashboard.search import SearchPages
from stepwell.streams.dashboard.workflow_pages import WorkflowPages
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
from stepwell.streams.gateway.health import HealthApi
from stepwell.streams.gateway.probes import serving_probes
from stepwell.streams.gateway.reindex_list import ReindexListApi
from stepwell.streams.gateway.search_api import search_routes
from stepwell.streams.gateway.workflows import WorkflowApi, Workflows
from stepwell.streams.graphs.catalogue import Catalogue
from stepwell.streams.metrics import Metrics
from stepwell.streams.operator.browsing import (
    describe_workflow,
    list_workflows,
    page_instances,
    watch_instance,
    watch_instances,
)
from stepwell.streams.operator.bulk import execute_bulk, plan_bulk
from stepwell.streams.operator.control import (
    check_histories,
    create_instance,
    create_instances,
    export_instances,
    open_control,
    tell_instance,
    wait_for_instance,
)
from stepwell.streams.operator.earlier import list_reindexes, list_replays, show_replay
from stepwell.streams.operator.explaining import Explainer, explain_instance
from stepwell.streams.operator.forgetting.service import forget_subject, plan_forgetting
from stepwell.streams.operator.past import describe_instance_at
from stepwell.streams.operator.producing import contract, publish
from stepwell.streams.operator.pruning.service import plan_pruning, prune_blobs
from stepwell.streams.operator.pulse import open_health
from stepwell.streams.operator.queries import (
    describe_instance,
    doctor,
    ensure_topics,
    search,
    similar,
)
from stepwell.streams.operator.reading import follow_journal
from stepwell.streams.operator.reindex_desk import OpenReindexDesk
from stepwell.streams.operator.reindexing import follow_reindex, reindexes_of, start_reindex
from stepwell.streams.operator.replay_desk import open_replays
from stepwell.streams.operator.replaying import execute_replay, plan_again, plan_replay
from stepwell.streams.operator.searching import open_search
from stepwell.streams.readmodel.reader import ModelReader
from stepwell.streams.runtime.clock import system_clock
from stepwell.streams.settings import Settings
from stepwell.streams.spans import Tracing
from stepwell.streams.wiring import (
    gateway_config,
    load_factory,
    open_tracing,
    worker_config,
)

__all__ = [
    "check_histories",
    "contract",
    "create_collection",
    "create_instance",
    "create_instances",
    "describe_instance",
    "describe_instance_at",
    "describe_workflow",
    "discard_dead_letters",
    "doctor",
    "drop_collection",
    "embed_content",
    "ensure_topics",
    "execute_bulk",
    "execute_replay",
    "explain_instance",
    "export_instances",
    "follow_reindex",
    "forget_subject",
    "list_collections",
    "list_dead_letters",
    "list_reindexes",
    "list_replays",
    "list_workflows",
    "page_instances",
    "plan_again",
    "plan_bulk",
    "plan_forgetting",
    "plan_pruning",
    "plan_replay",
    "prune_blobs",
    "publish",
    "retry_dead_letters",
    "run_gateway",
    "run_worker",
    "search",
    "show_dead_letter",
    "show_replay",
    "similar",
    "start_reindex",
    "switch_collection",
    "tell_instance",
    "wait_for_instance",
    "watch_instance",
    "watch_instances",
]

log = structlog.get_logger(__name__)

BUILT_IN_WORKFLOWS = ("stepwell.streams.runtime.schedules", "stepwell.streams.workflows.reindex")
"""Modules of workflows that workers carry without being told."""


async def run_gateway(settings: Settings, stop: asyncio.Event) -> None:
    """Serve webhooks and the API until `stop` is set."""
    _say_warnings(settings)
    async with open_tracing(settings, "gateway") as tracing:
        await _run_gateway(settings, stop, tracing)


async def _run_gateway(settings: Settings, stop: asyncio.Event, tracing: Tracing) -> None:
    dead_letters = DeadLetters(
        partial(list_dead_letters, settings),
        partial(show_dead_letter, settings),
        partial(retry_dead_letters, settings),
        partial(discard_dead_letters, settings),
    )

    catalogue = Catalogue(settings.worker.workflows, built_in=BUILT_IN_WORKFLOWS)

    @asynccontextmanager
    async def instances() -> AsyncIterator[Instances]:
        name = f"gateway-{settings.gateway.port}"
        async with (
            follow_journal(settings, name) as follower,
            open_control(settings, follower, tracing) as control,
            open_search(settings, ModelReader(follower)) as searching,
            open_replays(settings) as replays,
            open_health(settings, ModelReader(follower).pulse) as health,
        ):
            reader, explain = ModelReader(follower), Explainer(settings).explain
            ports = Ports(reader, control, explain, system_clock)
            workflows = Workflows(reader.workflows, reader.step_statistics, catalogue)
            reindexes = reindexes_of(settings, control)
            desk = OpenReindexDesk(reader, control, reindexes)
            yield Instances(
                control,
                reader.details,
                reindexes.start,
                settings.gateway.max_upload_bytes,
                reader=reader,
                replays=replays,
                explain=explain,
                additions=(
                    search_routes(searching),
                    dashboard(
                        lambda site: InstancesPage(site, reader, clock=system_clock).routes(),
                        lambda site: InstancePages(site, ports).routes(),
                        lambda site: SearchPages(site, searching).routes(),
                        lambda site: WorkflowPages(site, workflows, control.create).routes(),
                        lambda site: DeadLetterPages(site, dead_letters).routes(),
                        lambda site: ReindexPages(site, desk, clock=system_clock).routes(),
                        lambda site: ReplayPages(site, replays, clock=system_clock).routes(),
                        health=health.current,
                    ),
                    lambda _, guard: WorkflowApi(workflows, guard).routes(),
                    lambda _, guard: ReindexListApi(desk, guard).routes(),
                    lambda _, guard: HealthApi(health, guard).routes(),
                ),
            )

    config = gateway_config(settings)
    await server.run_gateway(config, stop, instances, dead_letters, tracing=tracing)


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Carry workflows until `stop` is set; raises what ended the worker otherwise."""
    _say_warnings(settings)
    factory = load_factory(settings.worker.workflows)
    await ensure_topics(settings)
    metrics = Metrics(version("stepwell"))
    async with open_tracing(settings, "worker") as tracing, factory(settings) as workflows:
        if workflows.measure is not None:
            workflows.measure(metrics)
        if workflows.trace is not None:
            workflows.trace(tracing)
        worker = Worker(worker_config(settings), workflows, metrics, tracing=tracing)
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
