"""`POST /webhooks/<source>`: read within bounds, accept by the source, store once, then answer."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

import structlog
from aiohttp import web

from stepwell.schemas.errors import EventRejected
from stepwell.schemas.github import Ignored
from stepwell.streams.engine.triggers import event_instance_id
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.gateway.bodies import read_body
from stepwell.streams.gateway.intake import Intake, Verdict
from stepwell.streams.gateway.problems import Problem, Reason, not_an_event, unavailable
from stepwell.streams.gateway.sources import Delivery, Outcome, Pong, Source
from stepwell.streams.metrics import GatewayMetrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a delivery may take, and what becomes of one that contradicts an earlier one."""

    max_body_bytes: int = 25 * 1024 * 1024
    body_timeout_ms: int = 10_000
    on_conflict: Literal["accept", "refuse"] = "accept"


class Webhooks:
    """Takes deliveries of all sources. Answers 2xx only when the event is stored, or not wanted."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        intake: Intake,
        metrics: GatewayMetrics,
        rules: Rules,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sources = sources
        self._intake = intake
        self._metrics = metrics
        self._rules = rules
        self._clock = clock

    async def handle(self, request: web.Request) -> web.Response:
        """The answer to a delivery; raises `Problem`."""
        name = request.match_info["source"]
        if name not in self._sources:
            raise Problem(HTTPStatus.NOT_FOUND, Reason.ROUTE)
        try:
            with self._metrics.request_duration.time():
                return await self._take(name, request)
        except Problem as problem:
            self._count_refusal(name, problem)
            raise

    async def _take(self, name: str, request: web.Request) -> web.Response:
        body = await read_body(
            request,
            max_bytes=self._rules.max_body_bytes,
            timeout_ms=self._rules.body_timeout_ms,
        )
        delivery = Delivery(request.headers, request.content_type, body, self._clock())
        try:
            return await self._settle(name, self._sources[name].accept(delivery))
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
            log.info("webhook ignored", source=name, reason=outcome.reason)
            return _accepted({"ignored": outcome.reason})
        verdict = await self._intake.store(outcome)
        if verdict is Verdict.CONFLICT and self._rules.on_conflict == "refuse":
            detail = "Another body was stored under this delivery id; the first one counts."
            raise Problem(HTTPStatus.CONFLICT, Reason.CONFLICT, detail)
        self._metrics.received(name, outcome.type)
        log.info(
            "webhook accepted",
            source=name,
            event_id=outcome.id,
            event_type=outcome.type,
            subject=outcome.subject,
            verdict=verdict.value,
        )
        return _accepted(
            {
                "event": outcome.id,
                "subject": outcome.subject,
                "instance": event_instance_id(outcome),
                "duplicate": verdict is not Verdict.FIRST,
            }
        )

    def _count_refusal(self, name: str, problem: Problem) -> None:
        self._metrics.events_rejected.labels(name, problem.reason).inc()
        log.warning(
            "webhook refused",
            source=name,
            status=problem.status.value,
            reason=problem.reason,
            why=problem.hint or problem.detail,
        )


def _accepted(body: Mapping[str, object]) -> web.Response:
    return web.json_response(body, status=HTTPStatus.ACCEPTED)
