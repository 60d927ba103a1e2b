"""`POST /api/v1/bulk`: one thing asked of many instances; a dry run unless it is told otherwise."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Annotated, Literal

import structlog
from aiohttp import web
from pydantic import ConfigDict, Field, TypeAdapter, with_config

from stepwell.streams.errors import InvalidRequest
from stepwell.streams.gateway.api_bodies import Why, parse
from stepwell.streams.gateway.asking import TEXT_LENGTH_MAX, filters_of
from stepwell.streams.gateway.bodies import read_json
from stepwell.streams.gateway.bulk import (
    BULK_MAX,
    ID_LENGTH_MAX,
    BulkAction,
    BulkPlan,
    BulkRequest,
    BulkResult,
    Lists,
    Teller,
    execute_bulk,
    plan_bulk,
)
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.routing import JSON, Answer, Doc, Route, Routes, Taken, json_answer
from stepwell.streams.lists import InstanceFilters

log = structlog.get_logger(__name__)

BULK = "/api/v1/bulk"
BODY_BYTES_MAX = 64 * 1024
STATUSES_MAX = 8
TIME_MAX = 10**15 - 1

Text = Annotated[str, Field(max_length=TEXT_LENGTH_MAX)]
Time = Annotated[int, Field(ge=0, le=TIME_MAX)] | Annotated[str, Field(max_length=50)]
_strict = with_config(ConfigDict(extra="forbid", strict=True))


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class BulkFilters:
    """Which instances are meant, as the parameters of their list say it; without any: all."""

    workflow: Text | None = None
    status: Annotated[tuple[Text, ...], Field(max_length=STATUSES_MAX)] = ()
    created_from: Time | None = None
    """Milliseconds, or RFC 3339."""
    created_before: Time | None = None
    id_prefix: Text | None = None
    subject: Text | None = None
    text: Text | None = None

    @property
    def wanted(self) -> InstanceFilters:
        """As readers take them; raises `InvalidRequest`."""
        given: Mapping[str, object] = asdict(self)
        one = {name: [str(it)] for name, it in given.items() if it is not None}
        return filters_of(one | {"status": list(self.status)})


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """What is asked, and of whom."""

    action: Literal["pause", "resume", "terminate", "restart", "delete"]
    filters: BulkFilters = field(default_factory=BulkFilters)
    reason: Why = ""
    rollback: bool = False
    """To terminate after the rollback of the steps."""
    dry_run: bool = True
    """Nothing is done; the answer says how many instances match, and which."""
    expected: Annotated[int, Field(ge=0, le=BULK_MAX)] | None = None
    """Needed unless it is a dry run: `matched` of the dry run. Other instances: 409."""
    id: Annotated[str, Field(min_length=1, max_length=ID_LENGTH_MAX)] | None = None
    """Asked again under the same one, what was told is not told again."""


_BULK = TypeAdapter(Bulk)


class BulkApi:
    """The route."""

    def __init__(
        self,
        control: Teller,
        reader: Lists,
        guard: Guard,
        *,
        new_id: Callable[[], str] = lambda: f"b-{uuid.uuid4().hex[:12]}",
    ) -> None:
        self._control = control
        self._reader = reader
        self._routes = Routes(guard)
        self._new_id = new_id

    def routes(self) -> list[Route]:
        """To be added to an application."""
        doc = Doc(
            name="askMany",
            tag="instances",
            takes=Taken({JSON: Bulk}, required=True),
            gives={HTTPStatus.OK: Answer(BulkPlan | BulkResult)},
            refuses=(HTTPStatus.CONFLICT,),
        )
        return [self._routes.operate("POST", BULK, self.ask, doc)]

    async def ask(self, request: web.Request) -> web.Response:
        """Pause, resume, terminate, restart or delete many instances.

        First as a dry run; then with `dry_run: false` and the number that it has found.
        """
        body = parse(_BULK, await read_json(request, max_bytes=BODY_BYTES_MAX))
        asked = BulkRequest(
            BulkAction(body.action), body.filters.wanted, body.reason, rollback=body.rollback
        )
        if body.dry_run:
            return json_answer(HTTPStatus.OK, await plan_bulk(self._reader, asked))
        if body.expected is None:
            raise InvalidRequest("expected: is required, unless it is a dry run")
        bulk_id = body.id or self._new_id()
        log.info("bulk begun", bulk=bulk_id, action=body.action, expected=body.expected)
        done = await execute_bulk(
            self._control, self._reader, asked, bulk_id=bulk_id, expected=body.expected
        )
        log.info("bulk ended", bulk=bulk_id, done=done.done, refused=done.refused)
        return json_answer(HTTPStatus.OK, done)
