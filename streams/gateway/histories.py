"""Parts of an instance over HTTP: its steps, their attempts, its events, and its raw history."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from stepwell.schemas.commands import StepKind
from stepwell.streams.errors import InstanceNotFound, InvalidRequest, StepNotFound
from stepwell.streams.gateway.api import INSTANCE
from stepwell.streams.gateway.asking import number_of, query_of
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.problems import Problem
from stepwell.streams.gateway.reader import Reader
from stepwell.streams.gateway.requests import check_address, check_workflow
from stepwell.streams.gateway.routing import (
    JSON,
    Answer,
    Doc,
    Parameter,
    Route,
    Routes,
    json_answer,
)
from stepwell.streams.stretches import AttemptView
from stepwell.streams.views import EventView, Explanation, InstanceDetails, StepView

Explain = Callable[[InstanceDetails], Awaitable[Explanation]]
"""Told all about an instance, says why it does not advance."""
STEPS = f"{INSTANCE}/steps"
STEP = f"{STEPS}/{{step}}"
_WHICH = (
    Parameter(
        "occurrence",
        "Which of those of this name; the first is 1.",
        {"type": "integer", "minimum": 1, "maximum": 10**9, "default": 1},
    ),
    Parameter("kind", "Its kind.", {"enum": list(StepKind), "default": StepKind.DO}),
)
_MISSING = (HTTPStatus.NOT_FOUND,)
_SENSITIVE = "instance.sensitive"


@dataclass(frozen=True, slots=True)
class StepList:
    """The steps of the present run, in the order in which they were first recorded."""

    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True)
class AttemptList:
    """The attempts of a step, as far as they are on record."""

    attempts: tuple[AttemptView, ...]


@dataclass(frozen=True, slots=True)
class EventList:
    """The events that the instance was sent in its present run."""

    events: tuple[EventView, ...]


class Histories:
    """The routes; they only read."""

    def __init__(self, reader: Reader, guard: Guard, explain: Explain | None = None) -> None:
        self._reader = reader
        self._routes = Routes(guard)
        self._explain = explain

    def routes(self) -> list[Route]:
        """To be added to an application."""
        read, status = self._routes.read, HTTPStatus.OK
        steps = Doc(
            name="listSteps", tag="steps", gives={status: Answer(StepList)}, refuses=_MISSING
        )
        step = Doc(
            name="showStep",
            tag="steps",
            query=_WHICH,
            gives={status: Answer(StepView)},
            refuses=_MISSING,
        )
        attempts = Doc(
            name="listAttempts",
            tag="steps",
            query=_WHICH,
            gives={status: Answer(AttemptList)},
            refuses=_MISSING,
        )
        events = Doc(
            name="listEvents", tag="instances", gives={status: Answer(EventList)}, refuses=_MISSING
        )
        history = Doc(
            name="exportHistory",
            tag="instances",
            gives={status: Answer({"type": "object"})},
            refuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        )
        explained = Doc(
            name="explainInstance",
            tag="instances",
            gives={status: Answer(Explanation)},
            refuses=_MISSING,
        )
        explanation = read(f"{INSTANCE}/explanation", self.explanation, explained)
        return [
            *([explanation] if self._explain else []),
            read(STEPS, self.steps, steps),
            read(STEP, self.step, step),
            read(f"{STEP}/attempts", self.attempts, attempts),
            read(f"{INSTANCE}/events", self.events, events),
            read(f"{INSTANCE}/history", self.history, history),
        ]

    async def steps(self, request: web.Request) -> web.Response:
        """The steps of its present run."""
        query_of(request, frozenset())
        return json_answer(HTTPStatus.OK, StepList((await self._details(request)).steps))

    async def step(self, request: web.Request) -> web.Response:
        """One step of its present run, with its attempts."""
        return json_answer(HTTPStatus.OK, await self._step(request))

    async def attempts(self, request: web.Request) -> web.Response:
        """The attempts of a step: when, how they ended, and when the next one begins."""
        return json_answer(HTTPStatus.OK, AttemptList((await self._step(request)).attempts_made))

    async def events(self, request: web.Request) -> web.Response:
        """The events that it was sent, and which wait has taken each."""
        query_of(request, frozenset())
        return json_answer(HTTPStatus.OK, EventList((await self._details(request)).events))

    async def history(self, request: web.Request) -> web.Response:
        """Its records as they are, which `stepwell check` replays.

        One with sensitive results is left to `stepwell instances export --with-sensitive`.
        """
        query_of(request, frozenset())
        workflow, instance_id = _names(request)
        found = await self._reader.recording(workflow, instance_id)
        if found is None:
            raise _no_instance(workflow, instance_id)
        if found.sensitive:
            detail = "It has sensitive results: use stepwell instances export --with-sensitive."
            raise Problem(HTTPStatus.CONFLICT, _SENSITIVE, detail, code=_SENSITIVE)
        return web.Response(body=found.encode(), content_type=JSON)

    async def explanation(self, request: web.Request) -> web.Response:
        """Why it does not advance, and what to do; without causes it is on its way."""
        query_of(request, frozenset())
        assert self._explain is not None
        details = await self._details(request)
        return json_answer(HTTPStatus.OK, await self._explain(details))

    async def _details(self, request: web.Request) -> InstanceDetails:
        workflow, instance_id = _names(request)
        found = await self._reader.details(workflow, instance_id)
        if found is None:
            raise _no_instance(workflow, instance_id)
        return found

    async def _step(self, request: web.Request) -> StepView:
        asked, name = (
            query_of(request, frozenset({"occurrence", "kind"})),
            request.match_info["step"],
        )
        kind = next(iter(asked.get("kind", ())), StepKind.DO.value)
        if kind not in list(StepKind):
            raise InvalidRequest(f"kind: one of {', '.join(StepKind)}")
        occurrence = number_of(asked, "occurrence")
        if occurrence is None:
            occurrence = 1
        for step in (await self._details(request)).steps:
            if (step.name, step.kind, step.occurrence) == (name, kind, occurrence):
                return step
        raise StepNotFound(f"it has no step {kind} {name!r}, number {occurrence}, in this run")


def _names(request: web.Request) -> tuple[str, str]:
    workflow = check_workflow(request.match_info["workflow"])
    return workflow, check_address(request.match_info["id"])


def _no_instance(workflow: str, instance_id: str) -> InstanceNotFound:
    return InstanceNotFound(f"there is no instance {workflow}/{instance_id}")
