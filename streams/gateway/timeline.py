"""The steps and events of one run as readers see them, told from its records."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from stepwell.schemas.commands import EventReceived, ResumeRequested
from stepwell.schemas.events import Json
from stepwell.schemas.journal import (
    AttemptFailed,
    AttemptStarted,
    ChildReported,
    InstancePaused,
    InstanceQueued,
    InstanceRecord,
    InstanceResumed,
    InstanceStarted,
    SleepStarted,
    StepFailed,
    StepSucceeded,
    StreamChunk,
    TimerFired,
    WaitStarted,
    WaitTimedOut,
)
from stepwell.streams.engine.deliveries import Deliveries, StepwiseRecord, step_key
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.settling import is_stream
from stepwell.streams.gateway.attempts import ended, started, text_of
from stepwell.streams.stretches import SpanView
from stepwell.streams.views import REDACTED, EventView, StepView

PREVIEW_LENGTH = 1000
"""So much of a streamed result is shown."""

_OPEN = frozenset({"running", "retrying", "sleeping", "waiting"})
_FAULTY_CHILD = "the child is {}"


@dataclass(slots=True)
class Timeline:
    """Takes the accepted records of a run in their order."""

    _steps: dict[StepKey, StepView] = field(default_factory=dict)
    _chunks: dict[StepKey, list[Json]] = field(default_factory=dict)
    _events: list[tuple[int, EventReceived]] = field(default_factory=list)
    _deliveries: Deliveries = field(default_factory=Deliveries)
    _spans: list[SpanView] = field(default_factory=list)
    _paused_at_ms: int | None = None

    @classmethod
    def of(cls, records: Iterable[InstanceRecord]) -> "Timeline":
        """The timeline of these records."""
        timeline = cls()
        for place, record in enumerate(records):
            timeline._take(place, record)
        return timeline

    def steps(self, *, over: bool) -> tuple[StepView, ...]:
        """The steps as they were first seen; of a run that is over, none is open any more."""
        return tuple(
            replace(step, status="cancelled", until_ms=None)
            if over and step.status in _OPEN
            else step
            for step in self._steps.values()
        )

    def add_child(self, key: StepKey, child: str, created_ms: int) -> None:
        """A child of this run, whether it has reported or not."""
        known = self._steps.get(key) or StepView(*key[:2], "running", 1, kind=key.kind)
        self._steps[key] = replace(known, started_ms=created_ms, child=child)

    def events(self) -> tuple[EventView, ...]:
        """The events of this run in their order."""
        taken = self._deliveries.taken
        return tuple(
            EventView(
                event.type,
                event.payload,
                event.at_ms,
                event.event_id,
                str(taken[place]) if place in taken else None,
            )
            for place, event in self._events
        )

    def spans(self) -> tuple[SpanView, ...]:
        """When it was queued or paused."""
        return tuple(self._spans)

    def _take(self, place: int, record: InstanceRecord) -> None:
        if isinstance(record, StepwiseRecord):
            key = step_key(record)
            known = self._steps.get(key) or StepView(*key[:2], "running", 1, kind=key.kind)
            self._steps[key] = self._changed(key, known, record)
        match record:
            case EventReceived():
                self._events.append((place, record))
            case InstancePaused():
                self._paused_at_ms = record.at_ms
                self._spans.append(SpanView("paused", record.at_ms, reason=record.reason))
            case InstanceQueued():
                self._spans.append(SpanView("queued", record.at_ms, reason=record.reason))
            case InstanceStarted():
                self._end_span("queued", record.at_ms)
            case InstanceResumed() | ResumeRequested() if self._paused_at_ms is not None:
                self._shift(max(0, record.at_ms - self._paused_at_ms))
                self._paused_at_ms = None
                self._end_span("paused", record.at_ms)
            case _:
                pass
        if got := self._deliveries.take(place, record):
            wait, event = got
            received: Json = {"type": event.type, "payload": event.payload}
            self._steps[wait] = _over(self._steps[wait], record.at_ms, output=received)

    def _end_span(self, kind: str, at_ms: int) -> None:
        self._spans = [
            replace(span, finished_ms=at_ms)
            if span.kind == kind and span.finished_ms is None
            else span
            for span in self._spans
        ]

    def _shift(self, ms: int) -> None:
        """A pause does not count for what is open."""
        for key, step in self._steps.items():
            if step.status in _OPEN and step.until_ms is not None:
                self._steps[key] = replace(step, until_ms=step.until_ms + ms)

    def _changed(self, key: StepKey, step: StepView, record: StepwiseRecord) -> StepView:
        match record:
            case AttemptStarted():
                return replace(
                    step,
                    status="running",
                    attempts=record.attempt,
                    started_ms=step.started_ms or record.at_ms,
                    until_ms=None,
                    attempts_made=started(step.attempts_made, record),
                )
            case StreamChunk():
                chunks = self._chunks.setdefault(key, [])
                del chunks[record.index :]  # those of an attempt that was lost
                chunks.append(record.data)
                return replace(step, attempts=record.attempt)
            case StepSucceeded() | StepFailed() | AttemptFailed():
                return self._attempted(key, step, record)
            case SleepStarted():
                return replace(
                    step, status="sleeping", started_ms=record.at_ms, until_ms=record.wake_at_ms
                )
            case WaitStarted():
                return replace(
                    step,
                    status="waiting",
                    started_ms=record.at_ms,
                    until_ms=record.timeout_at_ms,
                    event_type=record.event_type,
                    match=record.match,
                )
            case TimerFired():
                return _over(step, record.at_ms)
            case WaitTimedOut():
                error = f"EventTimeout: no event {step.event_type!r} was received in time"
                return _over(step, record.at_ms, error=error)
            case ChildReported():
                return replace(_child(step, record), child=record.child)

    def _attempted(
        self, key: StepKey, step: StepView, record: StepSucceeded | StepFailed | AttemptFailed
    ) -> StepView:
        step = replace(
            step,
            attempts=record.attempt,
            started_ms=step.started_ms or record.started_ms,
            attempts_made=ended(step.attempts_made, record),
        )
        if isinstance(record, StepSucceeded):
            output = self._result(key, record)
            return _over(replace(step, error=None), record.at_ms, output=output)
        if isinstance(record, StepFailed):
            return _over(step, record.at_ms, error=text_of(record.error))
        self._chunks.pop(key, None)
        return replace(
            step, status="retrying", error=text_of(record.error), until_ms=record.retry_at_ms
        )

    def _result(self, key: StepKey, record: StepSucceeded) -> Json:
        if record.sensitive:
            return REDACTED
        if not is_stream(record.result):
            return record.result
        chunks = self._chunks.get(key, [])
        if all(isinstance(chunk, str) for chunk in chunks):
            preview = "".join(str(chunk) for chunk in chunks)[:PREVIEW_LENGTH]
        else:
            size = sum(len(chunk) for chunk in chunks if isinstance(chunk, bytes | str))
            preview = f"{size} bytes"
        return {"chunks": len(chunks), "preview": preview}


def _child(step: StepView, record: ChildReported) -> StepView:
    if record.status in ("complete", "created"):
        return _over(step, record.at_ms, output=record.output)
    error = text_of(record.error) if record.error else _FAULTY_CHILD.format(record.status)
    return _over(step, record.at_ms, error=error)


def _over(step: StepView, at_ms: int, *, output: Json = None, error: str | None = None) -> StepView:
    return replace(
        step,
        status="errored" if error else "complete",
        finished_ms=at_ms,
        until_ms=None,
        output=output,
        error=error,
    )
