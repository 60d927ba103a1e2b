"""`/api/v1/replays`: what the log holds, once more: planned, executed, looked at, cancelled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Literal, Protocol

import structlog
from aiohttp import web
from pydantic import ConfigDict, Field, TypeAdapter, with_config

from stepwell.streams.errors import ReplayError
from stepwell.streams.gateway.api_bodies import parse
from stepwell.streams.gateway.bodies import read_json
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.problems import Problem
from stepwell.streams.gateway.routing import (
    JSON,
    Answer,
    Doc,
    Handler,
    Route,
    Routes,
    Taken,
    json_answer,
    told,
)

log = structlog.get_logger(__name__)

REPLAYS = "/api/v1/replays"
REPLAY = f"{REPLAYS}/{{replay:[A-Za-z0-9-]{{1,100}}}}"
BODY_BYTES_MAX = 64 * 1024
TEXT_LENGTH_MAX = 300
LIST_MAX = 100
CONCURRENCY_MAX = 100_000
RATE_MAX = 1_000_000
FINDINGS_MAX = 1000
"""So many differences are kept; all are counted."""

Short = Annotated[str, Field(max_length=TEXT_LENGTH_MAX)]
Several = Annotated[tuple[Short, ...], Field(max_length=100)]
Rate = Annotated[float, Field(gt=0, le=RATE_MAX, allow_inf_nan=False)]
Concurrency = Annotated[int, Field(ge=0, le=CONCURRENCY_MAX)]
ReplayMode = Literal["rerun", "resume", "verify"]
ReplayStatus = Literal[
    "planned", "running", "complete", "errored", "cancelled", "interrupted", "begun"
]
_strict = with_config(ConfigDict(extra="forbid", strict=True))


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayAsk:
    """What is to be replayed, and how."""

    mode: ReplayMode = "rerun"
    """New instances; errored ones from the step that failed; or completed ones, to compare."""
    start: Annotated[Short, Field(json_schema_extra={"examples": ["earliest", "offset:7"]})]
    """`earliest`, `offset:7`, `time:2026-01-31T10:00:00Z`, `duration:PT15M` or `shift:-100`."""
    until: Short = ""
    """`offset:9` or `time:…`; otherwise where the log ends now."""
    topics: Several = ()
    """`topic` or `topic:0,1`; otherwise the topic of events."""
    workflow: Short | None = None
    filters: Several = ()
    """`type=com.github.*`, `subject=…`, `source=…`."""
    skip: Several = ()
    """To verify: steps whose bodies do not run; `*` is a wildcard."""
    tolerance: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0
    """To verify: so far apart may numbers of a vector be."""


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPace:
    """How fast it may go, and how long it is followed."""

    rate: Rate | None = None
    """Instances a second."""
    concurrency: Concurrency | None = None
    """Instances that were started and have not ended; 0: any number."""
    wait: bool = False
    """Whether it is over only when all that it started have ended."""


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class NewReplay(ReplayAsk):
    """A replay; without `execute` only its plan is made."""

    execute: bool = False
    rate: Rate | None = None
    """Instances a second."""
    concurrency: Concurrency | None = None
    """Instances that were started and have not ended; 0: any number."""
    wait: bool = False
    """Whether it is over only when all that it started have ended."""

    @property
    def pace(self) -> ReplayPace:
        """How fast it may go."""
        return ReplayPace(rate=self.rate, concurrency=self.concurrency, wait=self.wait)


@dataclass(frozen=True, slots=True)
class RangeView:
    """One partition of a plan."""

    topic: str
    partition: int
    first: int
    last: int
    """Below `first` when there is none."""
    records: int
    matched: int
    first_ms: int | None
    last_ms: int | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class PlanView:
    """What a replay would do, were it executed."""

    id: str
    mode: ReplayMode
    ranges: tuple[RangeView, ...]
    records: int
    instances: int
    vectors: int
    events: int
    left_alone: dict[str, int]
    """Instances to which nothing is done, by why."""
    unreadable: int
    steps: dict[str, int]
    """To verify: the bodies that run, and how often."""


@dataclass(frozen=True, slots=True)
class FindingView:
    """A step that is not what it was."""

    workflow: str
    instance: str
    step: str
    occurrence: int
    verdict: str
    recorded: str
    found: str


@dataclass(frozen=True, slots=True)
class ReplayView:
    """A replay: how far it is, or how it went."""

    id: str
    mode: ReplayMode
    status: ReplayStatus
    at_ms: int
    """When it was planned."""
    started_ms: int | None = None
    finished_ms: int | None = None
    done: int = 0
    total: int = 0
    ended: int = 0
    failed: int = 0
    already_done: int = 0
    error: str | None = None
    outcomes: dict[str, int] = field(default_factory=dict)
    """How the started instances ended, as far as that was seen."""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """To verify: by step, how many are same, changed, added, missing, skipped."""
    findings: tuple[FindingView, ...] = ()
    findings_total: int = 0
    plan: PlanView | None = None


@dataclass(frozen=True, slots=True)
class ReplayList:
    """The newest replays, newest first, without plans and findings."""

    replays: tuple[ReplayView, ...]


class Replays(Protocol):
    """Who makes replays; what cannot be done is a `ReplayError` with a code."""

    async def plan(self, ask: ReplayAsk) -> PlanView:
        """What it would do; kept, so that exactly that may be executed."""
        ...

    async def execute(
        self,
        replay_id: str,
        *,
        rate: float | None = None,
        concurrency: int | None = None,
        wait: bool = False,
    ) -> ReplayView:
        """Begin it, or go on with it, and return; doing so again changes nothing."""
        ...

    async def list(self) -> list[ReplayView]:
        """The newest first, without their plans and findings."""
        ...

    async def find(self, replay_id: str) -> ReplayView:
        """One of them."""
        ...

    async def cancel(self, replay_id: str) -> ReplayView:
        """Stop it; what it started runs on. One that is over stays as it is."""
        ...


_NEW, _PACE = TypeAdapter(NewReplay), TypeAdapter(ReplayPace)
_STATUSES: Mapping[str, HTTPStatus] = {
    "replay.invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "replay.not_found": HTTPStatus.NOT_FOUND,
}


class ReplayApi:
    """The routes."""

    def __init__(self, replays: Replays, guard: Guard) -> None:
        self._replays = replays
        self._routes = Routes(guard)

    def routes(self) -> list[Route]:
        """To be added to an application."""
        view = Answer(ReplayView)
        located = Answer(ReplayView, headers={"Location": "Where it is looked at."})
        missing, cannot = (HTTPStatus.NOT_FOUND,), (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
        created = Doc(
            name="createReplay",
            tag="replays",
            takes=Taken({JSON: NewReplay}, required=True),
            gives={HTTPStatus.OK: Answer(PlanView), HTTPStatus.ACCEPTED: located},
            refuses=cannot,
        )
        listed = Doc(name="listReplays", tag="replays", gives={HTTPStatus.OK: Answer(ReplayList)})
        found = Doc(name="showReplay", tag="replays", gives={HTTPStatus.OK: view}, refuses=missing)
        executed = Doc(
            name="executeReplay",
            tag="replays",
            takes=Taken({JSON: ReplayPace}),
            gives={HTTPStatus.ACCEPTED: located},
            refuses=cannot,
        )
        cancelled = Doc(
            name="cancelReplay",
            tag="replays",
            takes=Taken({JSON: {}}),
            gives={HTTPStatus.OK: view},
            refuses=cannot,
        )
        return [
            self._operate(REPLAYS, self.create, created),
            self._routes.read(REPLAYS, _translated(self.index), told(listed, self.index)),
            self._routes.read(REPLAY, _translated(self.show), told(found, self.show)),
            self._operate(f"{REPLAY}/execute", self.execute, executed),
            self._operate(f"{REPLAY}/cancel", self.cancel, cancelled),
        ]

    def _operate(self, path: str, handler: Handler, doc: Doc) -> Route:
        return self._routes.operate("POST", path, _translated(handler), told(doc, handler))

    async def create(self, request: web.Request) -> web.Response:
        """Plan a replay, which changes nothing; with `execute`, begin it too."""
        body = parse(_NEW, await read_json(request, max_bytes=BODY_BYTES_MAX))
        plan = await self._replays.plan(body)
        log.info("replay planned", replay=plan.id, mode=plan.mode, instances=plan.instances)
        if not body.execute:
            return json_answer(HTTPStatus.OK, plan)
        return await self._begun(plan.id, body.pace)

    async def index(self, _: web.Request) -> web.Response:
        """The newest replays, newest first."""
        return json_answer(HTTPStatus.OK, ReplayList(tuple(await self._replays.list())))

    async def show(self, request: web.Request) -> web.Response:
        """A replay: its plan, how far it is, and what is not the same."""
        return json_answer(HTTPStatus.OK, await self._replays.find(request.match_info["replay"]))

    async def execute(self, request: web.Request) -> web.Response:
        """Begin one that was planned, or go on with one that was cancelled or interrupted.

        Nothing is done twice.
        """
        pace = parse(_PACE, await read_json(request, max_bytes=BODY_BYTES_MAX))
        return await self._begun(request.match_info["replay"], pace)

    async def cancel(self, request: web.Request) -> web.Response:
        """Stop it; what it started runs on, and it may be executed again to go on."""
        await read_json(request, max_bytes=BODY_BYTES_MAX)
        found = await self._replays.cancel(request.match_info["replay"])
        log.info("replay cancelled", replay=found.id, status=found.status)
        return json_answer(HTTPStatus.OK, found)

    async def _begun(self, replay_id: str, pace: ReplayPace) -> web.Response:
        found = await self._replays.execute(
            replay_id, rate=pace.rate, concurrency=pace.concurrency, wait=pace.wait
        )
        log.info("replay begun", replay=found.id, mode=found.mode)
        location = {"Location": f"{REPLAYS}/{found.id}"}
        return json_answer(HTTPStatus.ACCEPTED, found, location)


def _translated(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ReplayError as error:
            status = _STATUSES.get(error.code, HTTPStatus.CONFLICT)
            raise Problem(status, error.code, str(error), code=error.code) from error

    return answer
