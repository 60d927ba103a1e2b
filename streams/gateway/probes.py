"""What Prometheus and an orchestrator ask of a worker: metrics, alive, ready."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.metrics import CONTENT_TYPE, Metrics
from stepwell.streams.settings import MetricsSettings


@asynccontextmanager
async def serving_probes(
    settings: MetricsSettings, metrics: Metrics, ready: Callable[[], bool]
) -> AsyncIterator[None]:
    """Answer `/metrics`, `/healthz` and `/readyz` meanwhile; `ConfigurationError` if it cannot."""

    async def metrics_page(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_request: web.Request) -> web.Response:
        if ready():
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "recovering"}, status=503)

    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", metrics_page),
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigurationError(
            f"metrics.port {settings.port} cannot be listened on ({error.strerror}): "
            "every worker on a machine needs its own"
        ) from error
    try:
        yield
    finally:
        await runner.cleanup()
