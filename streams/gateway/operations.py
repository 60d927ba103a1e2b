"""What Prometheus and an orchestrator ask of any process: metrics, alive, ready."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from aiohttp import web

from stepwell.streams.gateway.guards import Guard, Scope
from stepwell.streams.gateway.problems import Problem, Reason
from stepwell.streams.gateway.routing import Answer, Doc, Route, open_to_all, told
from stepwell.streams.metrics import CONTENT_TYPE, OPENMETRICS_TYPE, Metrics

Unready = Callable[[], Awaitable[str]]
"""Why the process is not ready now; empty when it is."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a process is."""

    status: Literal["ok", "ready"]


class Operations:
    """`/healthz`, `/readyz` and `/metrics`; where there is a token, metrics need one that reads."""

    def __init__(self, metrics: Metrics, unready: Unready, guard: Guard) -> None:
        self._metrics = metrics
        self._unready = unready
        self._guard = guard

    def routes(self) -> list[Route]:
        """To be added to an application."""
        said = {HTTPStatus.OK: Answer(Condition)}
        alive = Doc(name="isAlive", tag="operations", gives=said)
        ready = Doc(
            name="isReady",
            tag="operations",
            gives=said,
            refuses=(HTTPStatus.SERVICE_UNAVAILABLE,),
        )
        scraped = Doc(
            name="scrapeMetrics",
            tag="operations",
            gives={HTTPStatus.OK: Answer(media="text/plain")},
        )
        return [
            open_to_all("/healthz", self.healthz, alive),
            open_to_all("/readyz", self.readyz, ready),
            Route("GET", "/metrics", self.metrics, Scope.READ, told(scraped, self.metrics)),
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
        self._guard.check(request, Scope.READ)
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
