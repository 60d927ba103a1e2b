"""Runs the gateway: checks its configuration, opens Kafka, listens until it is told to stop."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import version

import structlog
from aiohttp import web

from stepwell.schemas.topics import Topics
from stepwell.streams.errors import ConfigurationError
from stepwell.streams.gateway.api import Instances
from stepwell.streams.gateway.app import build_app
from stepwell.streams.gateway.dead_letters import DeadLetters
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.intake import REMEMBERED_MAX, Intake
from stepwell.streams.gateway.kinds import make_sources
from stepwell.streams.gateway.sources import SourcesConfig
from stepwell.streams.gateway.traced import TracedEvents, tracing_requests
from stepwell.streams.gateway.webhooks import Rules, Webhooks
from stepwell.streams.kafka.admin import ensure_topics
from stepwell.streams.kafka.publisher import EventPublisher
from stepwell.streams.kafka.security import Security
from stepwell.streams.kafka.tail import read_tail
from stepwell.streams.metrics import Metrics
from stepwell.streams.settings import is_loopback
from stepwell.streams.spans import NO_TRACING, Tracing

log = structlog.get_logger(__name__)

IDLE_TIMEOUT_MS = 75_000
"""A connection whose next request has no complete head after this is closed."""
SHUTDOWN_TIMEOUT_S = 5
"""How long requests that are under way may take after the stop; an append takes less."""
LINGER_S = 1
"""How long the rest of a refused body is read, so that the sender gets to see the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """All that the gateway needs to know; secrets are kept out of its `repr`."""

    bootstrap: str
    topics: Topics = field(default_factory=Topics)
    replication_factor: int = 1
    security: Security = field(default_factory=Security)
    host: str = "127.0.0.1"
    port: int = 8400
    token: str | None = field(default=None, repr=False)
    """Bearer token for everything but webhooks and health; needed to listen beyond loopback."""
    read_token: str | None = field(default=None, repr=False)
    """One for those who may only look."""
    sources: SourcesConfig = field(default_factory=SourcesConfig)
    rules: Rules = field(default_factory=Rules)
    append_timeout_ms: int = 2500
    remembered_max: int = REMEMBERED_MAX
    """How many deliveries are remembered, to recognise one that comes again."""
    idle_timeout_ms: int = IDLE_TIMEOUT_MS
    warm_up_ms: int = 3000
    """How long the gateway may read back, at start, what it should remember."""


OpenInstances = Callable[[], AbstractAsyncContextManager[Instances]]


async def run_gateway(
    config: GatewayConfig,
    stop: asyncio.Event,
    open_instances: OpenInstances | None = None,
    dead_letters: DeadLetters | None = None,
    *,
    tracing: Tracing = NO_TRACING,
) -> None:
    """Serve until `stop` is set; then finish what was begun. Without `open_instances` no API.

    Raises `ConfigurationError`, `TopicMismatch`, and `BrokerUnavailable` if Kafka is away at start;
    later outages are answered with 503.
    """
    sources = make_sources(config.sources)
    if not sources:
        log.warning("no webhook source is configured: only POST /events is taken")
    _check_exposure(config)
    await ensure_topics(
        config.bootstrap, config.topics.facts(), config.replication_factor, security=config.security
    )
    publisher = EventPublisher(
        config.bootstrap,
        config.topics.events,
        timeout_ms=config.append_timeout_ms,
        security=config.security,
    )
    async with AsyncExitStack() as opened:
        opened.push_async_callback(publisher.stop)
        await publisher.start()
        metrics = Metrics(version("stepwell"))
        is_traced = tracing is not NO_TRACING
        events = TracedEvents(publisher, config.topics.events, tracing) if is_traced else publisher
        intake = Intake(events, metrics, config.remembered_max)
        await _read_back(intake, config)
        guard = Guard(config.token, config.read_token)
        webhooks = Webhooks(sources, intake, metrics.gateway, config.rules, guard)
        instances = await opened.enter_async_context(open_instances()) if open_instances else None
        app = build_app(
            webhooks,
            publisher,
            metrics,
            max_body_bytes=config.rules.max_body_bytes,
            guard=guard,
            instances=instances,
            topics=config.topics,
            dead_letters=dead_letters,
        )
        if is_traced:
            app.middlewares.insert(0, tracing_requests(tracing))
        await _serve(app, config, stop)


def make_runner(
    app: web.Application,
    *,
    idle_timeout_ms: int = IDLE_TIMEOUT_MS,
    shutdown_timeout_s: float = SHUTDOWN_TIMEOUT_S,
) -> web.AppRunner:
    """A runner with our limits: bodies as they come, slow and idle connections closed."""
    return web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=idle_timeout_ms / 1000,
        lingering_time=LINGER_S,
        shutdown_timeout=shutdown_timeout_s,
    )


async def _serve(app: web.Application, config: GatewayConfig, stop: asyncio.Event) -> None:
    runner = make_runner(app, idle_timeout_ms=config.idle_timeout_ms)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, config.host, config.port).start()
        except OSError as error:
            raise ConfigurationError(
                f"gateway.host, gateway.port: cannot listen on {config.host}:{config.port}: "
                f"{error.strerror}; choose another port, or stop what uses this one"
            ) from error
        log.info("gateway listening", url=f"http://{config.host}:{config.port}")
        await stop.wait()
    finally:
        await runner.cleanup()


def _check_exposure(config: GatewayConfig) -> None:
    if config.token == "":
        raise ConfigurationError("gateway.token is empty; leave it out or set a long random text")
    if config.read_token is not None and config.read_token in ("", config.token or ""):
        raise ConfigurationError(
            "gateway.read_token is empty, or the same as gateway.token: whoever had it could do "
            "everything; leave it out or set another long random text"
        )
    if config.read_token is not None and config.token is None:
        raise ConfigurationError("gateway.read_token needs gateway.token, to change anything")
    if config.token is None and not is_loopback(config.host):
        raise ConfigurationError(
            f"gateway.host {config.host} can be reached by other machines: set gateway.token too, "
            "or listen on 127.0.0.1"
        )


async def _read_back(intake: Intake, config: GatewayConfig) -> None:
    try:
        async with asyncio.timeout(config.warm_up_ms / 1000):
            await read_tail(
                config.bootstrap,
                config.topics.events,
                lambda record: intake.remember(record.headers, record.value),
                count_max=config.remembered_max,
                security=config.security,
            )
    except TimeoutError:
        log.info("not all recent deliveries were read back", remembered=len(intake))
