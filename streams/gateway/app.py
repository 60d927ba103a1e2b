"""The routes of the gateway."""

from aiohttp import web

from stepwell.schemas.topics import Topics
from stepwell.streams.gateway.api import Api, Instances
from stepwell.streams.gateway.contract import Contract
from stepwell.streams.gateway.dead_letters import DeadLetterApi, DeadLetters
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.intake import EventLog
from stepwell.streams.gateway.listing import Listing
from stepwell.streams.gateway.operations import Operations, problems
from stepwell.streams.gateway.reindexes import ReindexApi
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
    topics: Topics | None = None,
    dead_letters: DeadLetters | None = None,
) -> web.Application:
    """The application; with a token, metrics and the API need it as a bearer token.

    Without `instances` there is no API. `topics` are those that the contract names.
    """

    async def unready() -> str:
        return "" if await event_log.reachable() else "Kafka does not answer."

    app = web.Application(client_max_size=max_body_bytes, middlewares=[problems])
    app.add_routes(webhooks.routes())
    app.add_routes(Contract(topics or Topics()).routes())
    app.add_routes(Operations(metrics, unready, token).routes())
    if instances is not None:
        api = Api(instances, Guard(token), max_body_bytes=max_body_bytes)
        app.add_routes(api.routes())
        if instances.reader is not None:
            listing = Listing(instances.reader, Guard(token))
            app.add_routes(listing.routes())
            app.on_shutdown.append(listing.stop)
        if instances.start_reindex is not None:
            reindexes = ReindexApi(
                instances.start_reindex,
                Guard(token),
                max_upload_bytes=instances.max_upload_bytes,
            )
            app.add_routes(reindexes.routes())
    if dead_letters is not None:
        app.add_routes(DeadLetterApi(dead_letters, Guard(token)).routes())
    return app
