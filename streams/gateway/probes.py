"""The small HTTP server of a worker: metrics, alive, ready."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.operations import Operations, problems
from stepwell.streams.metrics import Metrics
from stepwell.streams.settings import MetricsSettings


@asynccontextmanager
async def serving_probes(
    settings: MetricsSettings, metrics: Metrics, ready: Callable[[], bool]
) -> AsyncIterator[None]:
    """Answer meanwhile; raises `ConfigurationError` when the port cannot be listened on."""

    async def unready() -> str:
        return "" if ready() else "Not every partition of this worker is recovered and claimed."

    token = settings.token.get_secret_value() if settings.token else None
    app = web.Application(middlewares=[problems])
    app.add_routes(Operations(metrics, unready, Guard(token)).routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
        except OSError as error:
            raise ConfigurationError(
                f"metrics.port {settings.port} cannot be listened on ({error.strerror}): "
                "every worker on a machine needs its own"
            ) from error
        yield
    finally:
        await runner.cleanup()
