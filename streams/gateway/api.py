"""`/api/v1`: instances are started, told things and looked at over HTTP.

Whatever is told is judged by the fold before the answer: 2xx says that the journal has it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import orjson
import structlog
from aiohttp import web

from stepwell.schemas.commands import Command, DeleteRequested, EventReceived
from stepwell.schemas.journal import InstanceKey
from stepwell.streams.errors import (
    BrokerUnavailable,
    InstanceError,
    InstanceNotFound,
    ReadModelUnavailable,
)
from stepwell.streams.gateway import api_bodies
from stepwell.streams.gateway.api_bodies import ACTIONS, UNSTAMPED, command_of, parse
from stepwell.streams.gateway.bodies import read_body
from stepwell.streams.gateway.control import Control
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.problems import Problem, Reason, refused, unavailable
from stepwell.streams.gateway.reader import Reader
from stepwell.streams.gateway.reindexing import StartReindex
from stepwell.streams.views import InstanceDetails, plain

log = structlog.get_logger(__name__)

BODY_TIMEOUT_MS = 10_000
READ_TIMEOUT_MS = 30_000
INSTANCES = "/api/v1/workflows/{workflow}/instances"
INSTANCE = f"{INSTANCES}/{{id}}"

Describe = Callable[[str, str], Awaitable[InstanceDetails | None]]
"""Told (workflow, instance id), where the id `latest` is the newest."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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


class Api:
    """The routes; what they refuse is a problem with a `code`, the same as on the command line."""

    def __init__(self, instances: Instances, guard: Guard, *, max_body_bytes: int) -> None:
        self._instances = instances
        self._control = instances.control
        self._guard = guard
        self._max_body_bytes = max_body_bytes

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application."""
        actions = "|".join(ACTIONS)
        return [
            web.post(INSTANCES, self._guarded(self.create)),
            web.post(f"{INSTANCES}/batch", self._guarded(self.create_batch)),
            web.get(INSTANCE, self._guarded(self.describe)),
            web.delete(INSTANCE, self._guarded(self.delete)),
            web.post(f"{INSTANCE}/events", self._guarded(self.send_event)),
            web.post(f"{INSTANCE}/{{action:{actions}}}", self._guarded(self.act)),
        ]

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

    async def act(self, request: web.Request) -> web.Response:
        """Pause, resume, cancel, terminate or restart."""
        raw = await self._body(request)
        return await self._tell(request, command_of(request.match_info["action"], raw))

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
        if request.content_type != "application/json":  # a form of another site cannot say that
            detail = "Send application/json, and say so in Content-Type."
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Reason.MEDIA_TYPE, detail, close=True)
        return await read_body(request, max_bytes=self._max_body_bytes, timeout_ms=BODY_TIMEOUT_MS)

    def _guarded(self, handler: Handler) -> Handler:
        return guarded(self._guard, handler)


def guarded(guard: Guard, handler: Handler) -> Handler:
    """The handler for those who may ask; its errors become problems with a code."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            guard.check_token(request)
            guard.check_site(request)
            return await _translated(handler, request)
        except Problem as problem:
            problem.code = problem.code or f"request.{problem.reason}"
            why = problem.hint or problem.detail
            log.warning(
                "request refused", path=request.rel_url.raw_path, code=problem.code, why=why
            )
            raise

    return answer


async def _translated(handler: Handler, request: web.Request) -> web.StreamResponse:
    try:
        return await handler(request)
    except InstanceError as error:
        raise refused(error) from error
    except (BrokerUnavailable, ReadModelUnavailable) as error:
        detail = (
            "Kafka did not answer in time. A command may have been stored all the same: look at "
            "the instance, or ask again under the same instance or event id."
        )
        raise unavailable(str(error), detail) from error


def _key(request: web.Request) -> InstanceKey:
    return InstanceKey(request.match_info["workflow"], request.match_info["id"])


def json_answer(
    status: HTTPStatus, value: object, headers: dict[str, str] | None = None
) -> web.Response:
    """A value as JSON."""
    body = orjson.dumps(value, default=plain)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")
