"""The composition root: runs the processes of Stepwell as the settings say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

import structlog

from stepwell.streams.agents.watchdog import Watchdog
from stepwell.streams.agents.worker import Worker
from stepwell.streams.control import (
    check_histories,
    create_instance,
    export_instances,
    open_control,
    tell_instance,
    wait_for_instance,
)
from stepwell.streams.errors import IndexUnavailable
from stepwell.streams.gateway import server
from stepwell.streams.gateway.api import Instances
from stepwell.streams.gateway.probes import serving_probes
from stepwell.streams.metrics import Metrics
from stepwell.streams.queries import (
    describe_instance,
    doctor,
    ensure_topics,
    list_instances,
    search,
)
from stepwell.streams.runtime.registry import Workflows
from stepwell.streams.settings import Settings
from stepwell.streams.wiring import (
    gateway_config,
    index_of,
    load_embedder,
    load_factory,
    worker_config,
)

__all__ = [
    "check_histories",
    "create_instance",
    "describe_instance",
    "doctor",
    "embed_content",
    "ensure_topics",
    "export_instances",
    "list_instances",
    "run_gateway",
    "run_worker",
    "search",
    "tell_instance",
    "wait_for_instance",
]

log = structlog.get_logger(__name__)


async def run_gateway(settings: Settings, stop: asyncio.Event) -> None:
    """Serve webhooks and the API until `stop` is set."""
    _say_warnings(settings)

    @asynccontextmanager
    async def instances() -> AsyncIterator[Instances]:
        async with open_control(settings) as control:
            yield Instances(control, partial(describe_instance, settings))

    await server.run_gateway(gateway_config(settings), stop, instances)


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Carry workflows until `stop` is set; raises what ended the worker otherwise."""
    _say_warnings(settings)
    factory = load_factory(settings.worker.workflows)
    await ensure_topics(settings)
    metrics = Metrics(version("stepwell"))
    async with factory(settings) as workflows:
        worker = Worker(worker_config(settings), workflows, metrics)
        watchdog = Watchdog(settings.worker.watchdog_timeout_ms, worker.work)
        watching = asyncio.create_task(watchdog.run())
        try:
            async with serving_probes(settings.metrics, metrics, lambda: worker.ready):
                await worker.run(stop)
        finally:
            watching.cancel()


@asynccontextmanager
async def embed_content(settings: Settings) -> AsyncIterator[Workflows]:
    """The workflows of a worker that is told of no others: `EmbedContent`, with its bindings."""
    from stepwell.streams.examples.embed_content import Bindings, EmbedContent
    from stepwell.streams.index.batched import BatchedIndex

    with load_embedder(settings) as embedder:
        index = index_of(settings, embedder.dimension)
        try:
            await index.open()
        except IndexUnavailable as error:  # its steps try again until it is back
            log.warning("index unavailable", detail=str(error))
        batched = BatchedIndex(index)
        try:
            yield Workflows([(EmbedContent, Bindings(embedder, batched))])
        finally:
            await batched.close()
            await index.close()


def _say_warnings(settings: Settings) -> None:
    for warning in settings.warnings:
        log.warning(warning)
