"""`/api/v1`: instances are started, told things and looked at over HTTP.

Whatever is told is judged by the fold before the answer: 2xx says that the journal has it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import structlog
from aiohttp import web

from stepwell.schemas.commands import Command, DeleteRequested, EventReceived
from stepwell.schemas.journal import InstanceKey
from stepwell.streams.errors import BrokerUnavailable, InstanceNotFound
from stepwell.streams.gateway import api_bodies
from stepwell.streams.gateway.api_bodies import ACTIONS, UNSTAMPED, command_of, parse
from stepwell.streams.gateway.bodies import read_json
from stepwell.streams.gateway.control import Control
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.reader import Reader
from stepwell.streams.gateway.reindexing import StartReindex
from stepwell.streams.gateway.replays import Replays
from stepwell.streams.gateway.routing import (
    JSON,
    Addition,
    Answer,
    Doc,
    Route,
    Routes,
    Taken,
    json_answer,
)
from stepwell.streams.views import Explanation, InstanceDetails, Receipt

log = structlog.get_logger(__name__)

READ_TIMEOUT_MS = 30_000
INSTANCES = "/api/v1/workflows/{workflow}/instances"
INSTANCE = f"{INSTANCES}/{{id}}"

Describe = Callable[[str, str], Awaitable[InstanceDetails | None]]
"""Told (workflow, instance id), where the id `latest` is the newest."""
_MISSING, _CANNOT = (HTTPStatus.NOT_FOUND,), (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
_MEANINGS = {
    "pause": "Start no more steps, and pause when those that run have ended.",
    "resume": "Go on after a pause, or take the request for one back.",
    "cancel": "Have the workflow see a cancellation, so that it ends in its own way.",
    "terminate": "End it now, or after its rollback.",
    "restart": "Run it again, from the beginning or from a step.",
}


@dataclass(frozen=True, slots=True)
class Instances:
    """How instances are told things, and how they are looked at."""

    control: Control
    describe: Describe
    start_reindex: StartReindex | None = None
    max_upload_bytes: int = 1024 * 1024 * 1024
    """Of documents to be indexed again."""
    read_timeout_ms: int = READ_TIMEOUT_MS
    """How long a look may take."""
    reader: Reader | None = None
    """Without one there are no lists, and no stream."""
    replays: Replays | None = None
    explain: Callable[[InstanceDetails], Awaitable[Explanation]] | None = None
    """Told all about an instance, says why it does not advance."""
    additions: tuple[Addition, ...] = ()
    """More that is served beside the API."""


class Api:
    """The routes; what they refuse is a problem with a `code`, the same as on the command line."""

    def __init__(self, instances: Instances, guard: Guard, *, max_body_bytes: int) -> None:
        self._instances = instances
        self._control = instances.control
        self._routes = Routes(guard)
        self._max_body_bytes = max_body_bytes

    def routes(self) -> list[Route]:
        """To be added to an application."""
        routes, location = self._routes, {"Location": "Where the instance is."}
        created = Doc(
            name="createInstance",
            tag="instances",
            takes=Taken({JSON: api_bodies.Creation}),
            gives={HTTPStatus.CREATED: Answer(Receipt, headers=location)},
            refuses=(HTTPStatus.CONFLICT,),
        )
        batch = Doc(
            name="createInstances",
            tag="instances",
            takes=Taken({JSON: api_bodies.Batch}),
            gives={HTTPStatus.CREATED: Answer(list[Receipt])},
        )
        described = Doc(
            name="describeInstance",
            tag="instances",
            gives={HTTPStatus.OK: Answer(InstanceDetails)},
            refuses=_MISSING,
        )
        told = {HTTPStatus.ACCEPTED: Answer(Receipt)}
        event = Doc(
            name="sendEvent",
            tag="instances",
            takes=Taken({JSON: api_bodies.Event}),
            gives=told,
            refuses=_CANNOT,
        )
        deleted = Doc(name="deleteInstance", tag="instances", gives=told, refuses=_MISSING)
        return [
            routes.operate("POST", INSTANCES, self.create, created),
            routes.operate("POST", f"{INSTANCES}/batch", self.create_batch, batch),
            routes.read(INSTANCE, self.describe, described),
            routes.operate("DELETE", INSTANCE, self.delete, deleted),
            routes.operate("POST", f"{INSTANCE}/events", self.send_event, event),
            *(self._action(action, body) for action, body in ACTIONS.items()),
        ]

    def _action(self, action: str, body: type) -> Route:
        doc = Doc(
            name=f"{action}Instance",
            tag="instances",
            summary=_MEANINGS[action],
            takes=Taken({JSON: body}),
            gives={HTTPStatus.ACCEPTED: Answer(Receipt)},
            refuses=_CANNOT,
        )
        return self._routes.operate("POST", f"{INSTANCE}/{action}", partial(self.act, action), doc)

    async def create(self, request: web.Request) -> web.Response:
        """Start an instance; 409 when its id is taken."""
        workflow = request.match_info["workflow"]
        body = parse(api_bodies.CREATION, await self._body(request))
        receipt = await self._control.create(
            workflow, body.params, instance_id=body.id, lane=body.lane
        )
        log.info("instance created", workflow=workflow, instance=receipt.instance_id)
        location = INSTANCE.format(workflow=workflow, id=receipt.instance_id)
        return json_answer(HTTPStatus.CREATED, receipt, {"Location": location})

    async def create_batch(self, request: web.Request) -> web.Response:
        """Start instances; those that exist are left alone, and out of the answer."""
        workflow = request.match_info["workflow"]
        body = parse(api_bodies.BATCH, await self._body(request))
        receipts = await self._control.create_batch(workflow, body.wanted)
        log.info("instances created", workflow=workflow, count=len(receipts))
        return json_answer(HTTPStatus.CREATED, receipts)

    async def describe(self, request: web.Request) -> web.Response:
        """An instance, as `stepwell instances describe --json` shows it."""
        key, timeout_ms = _key(request), self._instances.read_timeout_ms
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                found = await self._instances.describe(key.workflow, key.instance)
        except TimeoutError:
            raise BrokerUnavailable(f"the journal was not read in {timeout_ms} ms") from None
        if found is None:
            raise InstanceNotFound(f"there is no instance {key}")
        return json_answer(HTTPStatus.OK, found)

    async def send_event(self, request: web.Request) -> web.Response:
        """Send an event, for which the instance waits or will wait."""
        body = parse(api_bodies.EVENT, await self._body(request))
        event = EventReceived(body.type, body.payload, UNSTAMPED, body.event_id)
        return await self._tell(request, event)

    async def act(self, action: str, request: web.Request) -> web.Response:
        """Pause, resume, cancel, terminate or restart."""
        return await self._tell(request, command_of(action, await self._body(request)))

    async def delete(self, request: web.Request) -> web.Response:
        """Stop it without a rollback and forget it."""
        return await self._tell(request, DeleteRequested(UNSTAMPED))

    # --- inside -------------------------------------------------------------------------------

    async def _tell(self, request: web.Request, command: Command) -> web.Response:
        key, kind = _key(request), type(command).__name__
        receipt = await self._control.tell(key, command)
        log.info("instance told", instance=str(key), command=kind, verdict=receipt.verdict)
        return json_answer(HTTPStatus.ACCEPTED, receipt)

    async def _body(self, request: web.Request) -> bytes:
        return await read_json(request, max_bytes=self._max_body_bytes)


def _key(request: web.Request) -> InstanceKey:
    return InstanceKey(request.match_info["workflow"], request.match_info["id"])
