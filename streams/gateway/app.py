"""The routes of the gateway."""

from aiohttp import web

from stepwell.schemas.topics import Topics
from stepwell.streams.gateway.api import Api, Instances
from stepwell.streams.gateway.bulk_api import BulkApi
from stepwell.streams.gateway.contract import Contract
from stepwell.streams.gateway.dead_letters import DeadLetterApi, DeadLetters
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.histories import Histories
from stepwell.streams.gateway.intake import EventLog
from stepwell.streams.gateway.listing import Listing
from stepwell.streams.gateway.openapi import OpenApi
from stepwell.streams.gateway.operations import Operations, problems
from stepwell.streams.gateway.reindexes import ReindexApi
from stepwell.streams.gateway.replays import ReplayApi
from stepwell.streams.gateway.routing import Route
from stepwell.streams.gateway.webhooks import Webhooks
from stepwell.streams.metrics import Metrics

OPENAPI = web.AppKey("openapi", OpenApi)


def build_app(  # noqa: PLR0913 - all but three by name
    webhooks: Webhooks,
    event_log: EventLog,
    metrics: Metrics,
    *,
    max_body_bytes: int,
    guard: Guard | None = None,
    instances: Instances | None = None,
    topics: Topics | None = None,
    dead_letters: DeadLetters | None = None,
) -> web.Application:
    """The application; the guard says who may ask, and without one everybody on this machine.

    Without `instances` there is no API. `topics` are those that the contract names.
    """

    async def unready() -> str:
        return "" if await event_log.reachable() else "Kafka does not answer."

    guard = guard or Guard(None)
    app = web.Application(client_max_size=max_body_bytes, middlewares=[problems])
    routes: list[web.AbstractRouteDef] = [
        *webhooks.routes(),
        *Contract(topics or Topics()).routes(),
        *Operations(metrics, unready, guard).routes(),
    ]
    if instances is not None:
        routes += _api(app, instances, guard, max_body_bytes)
        for addition in instances.additions:
            routes += addition(app, guard)
    if dead_letters is not None:
        routes += DeadLetterApi(dead_letters, guard).routes()
    app.on_response_prepare.append(_guard_answer)
    app[OPENAPI] = OpenApi([it for it in routes if isinstance(it, Route)])
    app.add_routes([*routes, *app[OPENAPI].routes()])
    return app


def _api(
    app: web.Application, instances: Instances, guard: Guard, max_body_bytes: int
) -> list[Route]:
    routes = Api(instances, guard, max_body_bytes=max_body_bytes).routes()
    if instances.reader is not None:
        listing = Listing(instances.reader, guard)
        app.on_shutdown.append(listing.stop)
        routes += listing.routes()
        routes += Histories(instances.reader, guard, instances.explain).routes()
        routes += BulkApi(instances.control, instances.reader, guard).routes()
    if instances.start_reindex is not None:
        reindexes = ReindexApi(
            instances.start_reindex, guard, max_upload_bytes=instances.max_upload_bytes
        )
        routes += reindexes.routes()
    if instances.replays is not None:
        routes += ReplayApi(instances.replays, guard).routes()
    return routes


async def _guard_answer(_: web.Request, response: web.StreamResponse) -> None:
    """No answer is guessed at, kept by who is between, or says which versions run here."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "stepwell"
