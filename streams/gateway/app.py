"""The routes of the gateway, and one shape for everything that is refused."""

import hmac
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from stepwell.streams.gateway.intake import EventLog
from stepwell.streams.gateway.problems import Problem, Reason
from stepwell.streams.gateway.webhooks import Webhooks
from stepwell.streams.metrics import CONTENT_TYPE, Metrics


def build_app(
    webhooks: Webhooks,
    event_log: EventLog,
    metrics: Metrics,
    *,
    max_body_bytes: int,
    token: str | None = None,
) -> web.Application:
    """The application; with a token, metrics need it as a bearer token."""
    app = web.Application(client_max_size=max_body_bytes, middlewares=[_problems])
    operations = _Operations(event_log, metrics, token)
    app.add_routes(
        [
            web.post("/webhooks/{source:[a-z0-9-]+}", webhooks.handle),
            web.get("/healthz", operations.healthz),
            web.get("/readyz", operations.readyz),
            web.get("/metrics", operations.metrics),
        ]
    )
    return app


class _Operations:
    """What orchestrators and Prometheus ask for."""

    def __init__(self, event_log: EventLog, metrics: Metrics, token: str | None) -> None:
        self._event_log = event_log
        self._metrics = metrics
        self._authorization = None if token is None else f"Bearer {token}".encode()

    async def healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        if await self._event_log.reachable():
            return web.json_response({"status": "ready"})
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, Reason.UNAVAILABLE, "Kafka does not answer.")

    async def metrics(self, request: web.Request) -> web.Response:
        self._check_token(request)
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    def _check_token(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").encode()
        if self._authorization and not hmac.compare_digest(given, self._authorization):
            raise Problem(
                HTTPStatus.UNAUTHORIZED, Reason.TOKEN, headers={"WWW-Authenticate": "Bearer"}
            )


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals into RFC 9457 answers that repeat nothing of the request."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPError as error:
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return Problem(HTTPStatus(error.status), Reason.ROUTE, headers=allow).response()
