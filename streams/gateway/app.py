"""The routes of the gateway."""

from aiohttp import web

from stepwell.streams.gateway.api import Api, Instances
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.intake import EventLog
from stepwell.streams.gateway.operations import Operations, problems
from stepwell.streams.gateway.webhooks import Webhooks
from stepwell.streams.metrics import Metrics


def build_app(  # noqa: PLR0913 - all but three by name
    webhooks: Webhooks,
    event_log: EventLog,
    metrics: Metrics,
    *,
    max_body_bytes: int,
    token: str | None = None,
    instances: Instances | None = None,
) -> web.Application:
    """The application; with a token, metrics and the API need it as a bearer token.

    Without `instances` there is no API.
    """

    async def unready() -> str:
        return "" if await event_log.reachable() else "Kafka does not answer."

    app = web.Application(client_max_size=max_body_bytes, middlewares=[problems])
    app.add_routes([web.post("/webhooks/{source:[a-z0-9-]+}", webhooks.handle)])
    app.add_routes(Operations(metrics, unready, token).routes())
    if instances is not None:
        api = Api(instances, Guard(token), max_body_bytes=max_body_bytes)
        app.add_routes(api.routes())
    return app
