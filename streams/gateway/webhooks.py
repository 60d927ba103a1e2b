"""Takes deliveries: read within bounds, accept by the source, store once, then answer.

Webhooks come to `POST /webhooks/<source>`, events of whoever has the token to `POST /events`.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

import structlog
from aiohttp import web

from stepwell.schemas.errors import EventRejected
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.github import Ignored
from stepwell.streams.engine.triggers import event_instance_id
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.gateway.bodies import read_body
from stepwell.streams.gateway.cloudevents import EVENTS, CloudEventsSource
from stepwell.streams.gateway.guards import Guard, Scope
from stepwell.streams.gateway.intake import Intake, Verdict
from stepwell.streams.gateway.problems import Problem, Reason, not_an_event, unavailable
from stepwell.streams.gateway.routing import JSON, Answer, Doc, Route, Taken, told
from stepwell.streams.gateway.sources import Batch, Delivery, Outcome, Pong, Source
from stepwell.streams.metrics import GatewayMetrics

log = structlog.get_logger(__name__)

INLINE_BYTES_MAX = 256 * 1024
"""Larger bodies are hashed and parsed in a thread: a second of theirs is not a second of others."""
_REFUSES = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)
_STORED = {
    "type": "object",
    "description": "What became of it: `ignored` and why, or event, subject, instance, duplicate.",
}
WEBHOOK_DOC = Doc(
    name="takeWebhook",
    tag="events",
    takes=Taken({JSON: {}}, required=True),
    gives={
        HTTPStatus.ACCEPTED: Answer(_STORED),
        HTTPStatus.OK: Answer({"type": "object", "description": "The answer to a ping."}),
    },
    refuses=(HTTPStatus.UNAUTHORIZED, *_REFUSES),
)
EVENTS_DOC = Doc(
    name="takeEvents",
    tag="events",
    takes=Taken(
        {
            "application/cloudevents+json": {"type": "object"},
            "application/cloudevents-batch+json": {"type": "array"},
            JSON: {},
        },
        required=True,
    ),
    gives={HTTPStatus.ACCEPTED: Answer(_STORED)},
    refuses=_REFUSES,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a delivery may take, and what becomes of one that contradicts an earlier one."""

    max_body_bytes: int = 25 * 1024 * 1024
    body_timeout_ms: int = 10_000
    max_batch_events: int = 0
    """Of CloudEvents over HTTP; 0: batches are not taken."""
    on_conflict: Literal["accept", "refuse"] = "accept"


class Webhooks:
    """Takes deliveries of all sources. Answers 2xx only when the event is stored, or not wanted.

    `sources` are the webhooks; events that come without a signature need the token, by `guard`.
    """

    def __init__(  # noqa: PLR0913 - all but five by name
        self,
        sources: Mapping[str, Source],
        intake: Intake,
        metrics: GatewayMetrics,
        rules: Rules,
        guard: Guard,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sources = sources
        self._events = CloudEventsSource(rules.max_batch_events)
        self._guard = guard
        self._intake = intake
        self._metrics = metrics
        self._rules = rules
        self._clock = clock

    def routes(self) -> list[Route]:
        """To be added to an application."""
        events = told(EVENTS_DOC, self.events)
        webhook = told(WEBHOOK_DOC, self.webhook)
        return [
            Route("POST", "/webhooks/{source:[a-z0-9-]+}", self.webhook, None, webhook),
            Route("POST", "/events", self.events, Scope.OPERATE, events),
        ]

    async def webhook(self, request: web.Request) -> web.Response:
        """Take a delivery of a webhook, if its signature is right.

        Answers when the event is stored, or is not wanted.
        """
        name = request.match_info["source"]
        if name not in self._sources:
            raise Problem(HTTPStatus.NOT_FOUND, Reason.ROUTE)
        with self._counting(name):
            return await self._take(name, self._sources[name], request)

    async def events(self, request: web.Request) -> web.Response:
        """Take CloudEvents: structured, binary or a batch.

        Answers when they are stored.
        """
        with self._counting(EVENTS):
            self._guard.check(request, Scope.OPERATE)
            return await self._take(EVENTS, self._events, request)

    async def _take(self, name: str, source: Source, request: web.Request) -> web.Response:
        body = await read_body(
            request,
            max_bytes=self._rules.max_body_bytes,
            timeout_ms=self._rules.body_timeout_ms,
        )
        delivery = Delivery(request.headers, request.content_type, body, self._clock())
        try:
            return await self._settle(name, await _accepted_by(source, delivery))
        except EventRejected as error:
            raise not_an_event(error) from error
        except BrokerUnavailable as error:
            raise unavailable(str(error)) from error

    async def _settle(self, name: str, outcome: Outcome) -> web.Response:
        if isinstance(outcome, Pong):
            self._metrics.received(name, "ping")
            return web.json_response({"pong": True})
        if isinstance(outcome, Ignored):
            self._metrics.received(name, "ignored")
            log.info("delivery ignored", source=name, reason=outcome.reason)
            return _accepted({"ignored": outcome.reason})
        if isinstance(outcome, Batch):
            return await self._store_batch(name, outcome.events)
        verdict = await self._intake.store(outcome)
        return _accepted(self._stored(name, outcome, verdict))

    async def _store_batch(self, name: str, events: Sequence[CloudEvent]) -> web.Response:
        if self._rules.on_conflict == "refuse" and self._intake.contradicts(events):
            raise _conflict()
        verdicts = await self._intake.store_all(events)
        answers = [self._stored(name, *pair) for pair in zip(events, verdicts, strict=True)]
        return _accepted({"events": answers})

    def _stored(self, name: str, event: CloudEvent, verdict: Verdict) -> dict[str, object]:
        """What its sender is told of an event; raises `Problem` for one that is not wanted."""
        if verdict is Verdict.CONFLICT and self._rules.on_conflict == "refuse":
            raise _conflict()
        self._metrics.received(name, event.type)
        log.info(
            "event accepted",
            source=name,
            event_id=event.id,
            event_type=event.type,
            subject=event.subject,
            verdict=verdict.value,
        )
        return {
            "event": event.id,
            "subject": event.subject,
            "instance": event_instance_id(event),
            "duplicate": verdict is not Verdict.FIRST,
        }

    @contextmanager
    def _counting(self, name: str) -> Iterator[None]:
        try:
            with self._metrics.request_duration.time():
                yield
        except Problem as problem:
            self._count_refusal(name, problem)
            raise

    def _count_refusal(self, name: str, problem: Problem) -> None:
        self._metrics.events_rejected.labels(name, problem.reason).inc()
        log.warning(
            "delivery refused",
            source=name,
            status=problem.status.value,
            reason=problem.reason,
            why=problem.hint or problem.detail,
        )


async def _accepted_by(source: Source, delivery: Delivery) -> Outcome:
    if len(delivery.body) <= INLINE_BYTES_MAX:
        return source.accept(delivery)
    return await asyncio.to_thread(source.accept, delivery)


def _conflict() -> Problem:
    detail = "Another body was stored under this delivery id; the first one counts."
    return Problem(HTTPStatus.CONFLICT, Reason.CONFLICT, detail)


def _accepted(body: Mapping[str, object]) -> web.Response:
    return web.json_response(body, status=HTTPStatus.ACCEPTED)
