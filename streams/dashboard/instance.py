"""`/instances/{workflow}/{id}`: what an instance did, why it does not go on, what may be done."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

import structlog
from aiohttp import web

from stepwell.schemas.journal import InstanceKey
from stepwell.schemas.parts import Origin
from stepwell.streams.dashboard.actions import BY_NAME, Action, actions_for, command_from, said_of
from stepwell.streams.dashboard.drawing import MEANINGS, draw, name_of
from stepwell.streams.dashboard.said import Said, tell
from stepwell.streams.dashboard.site import Clock, Site, fields, redirect
from stepwell.streams.dashboard.texts import Shown, segment
from stepwell.streams.engine.state import Status
from stepwell.streams.errors import (
    BrokerUnavailable,
    CannotReceive,
    CannotRestart,
    CannotTerminate,
    InstanceNotFound,
    InvalidRequest,
)
from stepwell.streams.gateway.control import Control
from stepwell.streams.gateway.problems import refused
from stepwell.streams.gateway.reader import Reader
from stepwell.streams.views import Explanation, InstanceDetails, StepView

log = structlog.get_logger(__name__)

INSTANCE = "/instances/{workflow}/{id}"
STEPS_SHOWN, EVENTS_SHOWN, ATTEMPTS_SHOWN, CHILDREN_SHOWN = 40, 40, 5, 50
CHOICES_MAX = 100
"""So many steps can be chosen to restart from."""
VALUE_CHARACTERS, STEP_CHARACTERS = 8_000, 400
EXPLAIN_TIMEOUT_MS = 1_500
"""The page does not wait longer for what the broker knows."""

_ISSUE = re.compile(r"github:([\w.-]{1,100}/[\w.-]{1,100})#([0-9]{1,12})", re.ASCII)

Explain = Callable[[InstanceDetails], Awaitable[Explanation]]


@dataclass(frozen=True, slots=True)
class Ports:
    """What the page of an instance needs to know and to say."""

    reader: Reader
    control: Control
    explain: Explain
    clock: Clock


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step as the page shows it."""

    view: StepView
    name: str
    anchor: str
    output: Shown | None
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class Steps:
    """Some of the steps, by their places; the last ones unless others were asked for."""

    rows: tuple[StepRow, ...]
    first: int
    total: int

    @property
    def earlier(self) -> int | None:
        """Where those before begin."""
        return max(1, self.first - STEPS_SHOWN) if self.first > 1 else None

    @property
    def later(self) -> int | None:
        """Where those after begin."""
        following = self.first + len(self.rows)
        return following if following <= self.total else None


class InstancePages:
    """The page of an instance, and its forms."""

    def __init__(
        self, site: Site, ports: Ports, *, explain_timeout_ms: int = EXPLAIN_TIMEOUT_MS
    ) -> None:
        self._site = site
        self._reader, self._control = ports.reader, ports.control
        self._explain, self._clock = ports.explain, ports.clock
        self._explain_timeout_ms = explain_timeout_ms

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application."""
        return [
            web.get(INSTANCE, self._site.page(self.show)),
            web.post(f"{INSTANCE}/{{action}}", self._site.page(self.act)),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """The page; the id `latest` leads to the newest."""
        key = _key(request)
        details = await self._details(key)
        if key.instance == "latest" != details.summary.instance_id:
            return redirect(path_of(key.workflow, details.summary.instance_id))
        return await self._page(request, details)

    async def act(self, request: web.Request) -> web.Response:
        """Tell the instance what the form says; what is refused is said on the page."""
        key, given = _key(request), await fields(request)
        action = BY_NAME.get(request.match_info["action"])
        if action is None:
            raise web.HTTPNotFound
        try:
            receipt = await self._control.tell(key, command_from(action, given))
        except (InvalidRequest, CannotReceive, CannotRestart, CannotTerminate) as error:
            said = Said("bad", f"{action.label}: refused.", str(error.args[0]))
            status = refused(error).status
            details = await self._details(key)
            return await self._page(
                request, details, status=status, said=said, failed=action, typed=given
            )
        log.info("instance told", instance=str(key), action=action.name, verdict=receipt.verdict)
        is_gone = receipt.status is None
        response = redirect("/instances" if is_gone else path_of(key.workflow, key.instance))
        tell(response, said_of(action, receipt))
        return response

    # --- inside -------------------------------------------------------------------------------

    async def _details(self, key: InstanceKey) -> InstanceDetails:
        found = await self._reader.details(key.workflow, key.instance)
        if found is None:
            raise InstanceNotFound(f"There is no instance {key}, or it is no longer kept.")
        return found

    async def _page(  # noqa: PLR0913 - all but two by name
        self,
        request: web.Request,
        details: InstanceDetails,
        *,
        status: HTTPStatus = HTTPStatus.OK,
        said: Said | None = None,
        failed: Action | None = None,
        typed: object = None,
    ) -> web.Response:
        summary, now_ms = details.summary, self._clock()
        steps = _steps(details, request.query.get("from", ""))
        path = path_of(summary.workflow, summary.instance_id)
        explanation = await self._explanation(details)
        return self._site.render(
            request,
            "instance.html",
            status=status,
            it=details,
            summary=summary,
            is_over=Status(summary.status).terminal,
            now_ms=now_ms,
            duration_ms=_length_ms(details, now_ms),
            next_ms=_next_ms(details),
            trigger=_trigger(details),
            steps=steps,
            drawing=draw(details, [row.view for row in steps.rows], now_ms, first=steps.first),
            meanings=MEANINGS,
            attempts_shown=ATTEMPTS_SHOWN,
            params=Shown.of(details.params, VALUE_CHARACTERS),
            output=Shown.of(details.output, VALUE_CHARACTERS),
            events=[
                (event, Shown.of(event.payload, STEP_CHARACTERS))
                for event in details.events[-EVENTS_SHOWN:]
            ],
            children=details.children[:CHILDREN_SHOWN],
            choices=[(_choice(it), name_of(it)) for it in details.steps[-CHOICES_MAX:]],
            explanation=explanation,
            actions=actions_for(details),
            failed=failed.name if failed else "",
            typed=typed or {},
            source_link=_source_link(details.origin),
            subject_link=_subject_link(summary.subject),
            here=path,
            twin=api_path_of(summary.workflow, summary.instance_id),
            **({} if said is None else {"said": said}),
        )

    async def _explanation(self, details: InstanceDetails) -> Explanation | None:
        """Why it does not go on; None: the broker did not say in time who carries it."""
        if Status(details.summary.status).terminal:
            return None
        try:
            async with asyncio.timeout(self._explain_timeout_ms / 1000):
                return await self._explain(details)
        except (TimeoutError, BrokerUnavailable) as error:
            log.info("instance not explained", why=str(error))
            return None


def path_of(workflow: str, instance: str) -> str:
    """Where the page of an instance is."""
    return f"/instances/{segment(workflow)}/{segment(instance)}"


def api_path_of(workflow: str, instance: str) -> str:
    """Where programs find an instance."""
    return f"/api/v1/workflows/{segment(workflow)}/instances/{segment(instance)}"


def _key(request: web.Request) -> InstanceKey:
    return InstanceKey(request.match_info["workflow"], request.match_info["id"])


def _steps(details: InstanceDetails, asked: str) -> Steps:
    total = len(details.steps)
    is_number = asked.isascii() and asked.isdecimal() and len(asked) < 10
    first = int(asked) if is_number else total - STEPS_SHOWN + 1
    first = max(1, min(first, total))
    shown = details.steps[first - 1 : first - 1 + STEPS_SHOWN]
    return Steps(tuple(_row(it, first + at) for at, it in enumerate(shown)), first, total)


def _row(step: StepView, place: int) -> StepRow:
    output = None if step.output is None else Shown.of(step.output, STEP_CHARACTERS)
    is_timed = step.started_ms is not None and step.finished_ms is not None
    length_ms = (step.finished_ms or 0) - (step.started_ms or 0) if is_timed else None
    return StepRow(step, name_of(step), f"step-{place}", output, length_ms)


def _choice(step: StepView) -> str:
    return f"{step.kind}/{step.occurrence}/{step.name}"


def _length_ms(details: InstanceDetails, now_ms: int) -> int:
    is_over = Status(details.summary.status).terminal
    end_ms = details.summary.updated_ms if is_over else now_ms
    return max(0, end_ms - details.summary.created_ms)


def _next_ms(details: InstanceDetails) -> int | None:
    """When a timer or a retry moves it next."""
    if details.summary.status in (Status.PAUSED, Status.WAITING_FOR_PAUSE):
        return None
    return min((it.until_ms for it in details.steps if it.until_ms is not None), default=None)


def _trigger(details: InstanceDetails) -> str:
    """What started it, in a word."""
    if details.replay is not None:
        return "replay"
    if details.parent is not None:
        return "child"
    if details.schedule is not None:
        return "cron"
    return "event" if details.origin is not None else "api"


def _source_link(origin: Origin | None) -> str:
    """The form of a replay of that record alone."""
    if origin is None:
        return "/replays"
    asked = {
        "start": "offset",
        "start_value": origin.offset,
        "until": "offset",
        "until_value": origin.offset + 1,
        "topics": f"{origin.topic}:{origin.partition}",
    }
    return "/replays?" + urlencode(asked)


def _subject_link(subject: str | None) -> str | None:
    """The issue that it is about, where people read it; None: it is about something else."""
    found = _ISSUE.fullmatch(subject or "")
    return f"https://github.com/{found[1]}/issues/{found[2]}" if found else None
