"""Events to instances: each trigger that matches an event starts an instance, or sends it one."""

from dataclasses import dataclass
from typing import Protocol

from stepwell.schemas import cloudevents, codec
from stepwell.schemas.commands import EventReceived
from stepwell.schemas.dead_letters import Failure
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.schemas.parts import Origin, Trace
from stepwell.streams.agents.records import DeadLetters, RawRecord
from stepwell.streams.engine.errors import describe_error
from stepwell.streams.engine.limits import RESULT_BYTES_MAX
from stepwell.streams.engine.names import check_event_type
from stepwell.streams.engine.triggers import EventTrigger, MessageTrigger, event_instance_id
from stepwell.streams.metrics import Metrics
from stepwell.streams.runtime.clock import Clock
from stepwell.streams.runtime.registry import Workflows
from stepwell.streams.spans import NO_TRACING, Headers, Span, Tracing

DECODE, ROUTE = "decode", "route"
"""The stages: what is wrong with the event itself, and what only a workflow's trigger finds so."""
TRIGGER_FAILED = "trigger"
"""The reason when code of a trigger raises; the other reasons are `RejectReason`s."""


class Append(Protocol):
    """Appends a record of an instance."""

    def __call__(self, key: bytes, value: bytes, headers: Headers = (), /) -> None:
        """Under this key."""
        ...


@dataclass(frozen=True, slots=True)
class Routed:
    """What an event becomes in the journal: a record for an instance, and its bytes."""

    key: InstanceKey
    record: InstanceCreated | EventReceived
    value: bytes


class Routes:
    """The triggers of workflows, asked what becomes of an event. Pure but for their functions."""

    def __init__(self, workflows: Workflows) -> None:
        self._triggers: tuple[tuple[str, EventTrigger | MessageTrigger], ...] = (
            *workflows.triggers(),
            *workflows.messages(),
        )

    def of(
        self, event: CloudEvent, record: RawRecord, trace: Trace | None = None
    ) -> list[Routed] | Failure:
        """Creations first, then what instances are sent; a `Failure` if a trigger cannot say.

        Of several triggers that mean the same instance the last one counts.
        """
        created: dict[InstanceKey, Routed] = {}
        sent: dict[InstanceKey, Routed] = {}
        for name, trigger in self._triggers:
            try:
                if trigger.matches(event):
                    routed = _routed(name, trigger, event, record, trace)
                    made = created if isinstance(trigger, EventTrigger) else sent
                    made[routed.key] = routed
            except EventRejected as error:
                return Failure(ROUTE, error.reason, error.detail, workflow=name)
            except Exception as error:  # noqa: BLE001 - the edge to user code: a trigger's functions
                info = describe_error(error)
                return Failure(ROUTE, TRIGGER_FAILED, info.message, info.name, workflow=name)
        return [*created.values(), *sent.values()]


class Router:
    """Takes records of the events topic. A record ends as instances, as ignored, or as dead letter.

    The ids of an instance and of what it is sent follow from the event, so a redelivered event
    changes nothing. An instance is created before it is sent anything, and sent one event once,
    however many triggers of its workflow match.
    """

    def __init__(  # noqa: PLR0913 - the last by name
        self,
        workflows: Workflows,
        append: Append,
        dead_letters: DeadLetters,
        metrics: Metrics,
        clock: Clock,
        *,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._routes = Routes(workflows)
        self._append = append
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._clock = clock
        self._tracing = tracing

    def handle(self, record: RawRecord) -> None:
        """Route one record."""
        with self._tracing.processing(record) as span:
            self._route(record, span)

    def _route(self, record: RawRecord, span: Span) -> None:
        try:
            event = cloudevents.decode(record.key, record.value, record.headers)
        except EventRejected as error:
            self._set_aside(record, Failure(DECODE, error.reason, error.detail), span)
            return
        if event is None:
            self._metrics.worker.events_ignored.labels(reason="tombstone").inc()
            return
        self._metrics.worker.observe_event_age(event.time, self._clock() / 1000)
        routed = self._routes.of(event, record, span.trace)
        if isinstance(routed, Failure):
            self._set_aside(record, routed, span)
            return
        if not routed:
            self._metrics.worker.events_ignored.labels(reason="no-trigger").inc()
        for each in routed:
            self._append(each.key.encode(), each.value, span.headers)

    def _set_aside(self, record: RawRecord, failure: Failure, span: Span) -> None:
        span.failed(failure.reason, failure.message)
        self._dead_letters(record, failure)


def _routed(
    workflow: str,
    trigger: EventTrigger | MessageTrigger,
    event: CloudEvent,
    record: RawRecord,
    trace: Trace | None,
) -> Routed:
    key = InstanceKey(workflow, trigger.instance_for(event))
    # Times are the record's own, not the clock's: a redelivery makes the same bytes.
    made: InstanceCreated | EventReceived
    if isinstance(trigger, EventTrigger):
        what, made = "parameters", _created(trigger, event, record, trace)
    else:
        event_type = check_event_type(trigger.type or event.type)
        payload, at_ms = trigger.payload(event), record.at_ms
        what, made = "payload", EventReceived(event_type, payload, at_ms, event_instance_id(event))
    value = codec.encode(made)
    if len(value) > RESULT_BYTES_MAX:
        detail = f"{what}: {len(value)} bytes, the limit is {RESULT_BYTES_MAX}"
        raise EventRejected(RejectReason.SIZE, detail)
    return Routed(key, made, value)


def _created(
    trigger: EventTrigger, event: CloudEvent, record: RawRecord, trace: Trace | None
) -> InstanceCreated:
    return InstanceCreated(
        trigger.params(event),
        record.at_ms,
        origin=Origin(
            event_id=event.id,
            event_type=event.type,
            source=event.source,
            subject=event.subject,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        ),
        lane=trigger.lane,
        debounce_ms=trigger.debounce_ms,
        trace=trace,
    )
