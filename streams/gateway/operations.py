"""What Prometheus and an orchestrator ask of any process: metrics, alive, ready."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.problems import Problem, Reason
from stepwell.streams.metrics import CONTENT_TYPE, OPENMETRICS_TYPE, Metrics

Unready = Callable[[], Awaitable[str]]
"""Why the process is not ready now; empty when it is."""


class Operations:
    """`/healthz`, `/readyz` and `/metrics`; with a token, metrics need it as a bearer token."""

    def __init__(self, metrics: Metrics, unready: Unready, token: str | None) -> None:
        self._metrics = metrics
        self._unready = unready
        self._guard = Guard(token)

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application."""
        return [
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
        ]

    async def healthz(self, _: web.Request) -> web.Response:
        """The event loop turns."""
        return web.json_response({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        """The process does its work; 503 with the reason otherwise."""
        if reason := await self._unready():
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, Reason.UNAVAILABLE, reason)
        return web.json_response({"status": "ready"})

    async def metrics(self, request: web.Request) -> web.Response:
        """What Prometheus scrapes; OpenMetrics, with exemplars, for those that take it."""
        self._guard.check_token(request)
        accepted = ",".join(request.headers.getall("Accept", ()))
        if OPENMETRICS_TYPE.partition(";")[0] in accepted.lower():
            body, media_type = self._metrics.render_openmetrics(), OPENMETRICS_TYPE
        else:
            body, media_type = self._metrics.render(), CONTENT_TYPE
        return web.Response(body=body, headers={"Content-Type": media_type, "Vary": "Accept"})


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn refusals into RFC 9457 answers that repeat nothing of the request."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPError as error:
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return Problem(HTTPStatus(error.status), Reason.ROUTE, headers=allow).response()
