"""Which wait took which event, and what of a run counts after a restart from a step."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from stepwell.schemas.commands import EventReceived, RestartRequested, StepKind
from stepwell.schemas.events import Json
from stepwell.schemas.journal import (
    AttemptFailed,
    AttemptStarted,
    ChildReported,
    InstanceRecord,
    PatchMarked,
    SleepStarted,
    StepFailed,
    StepSucceeded,
    StreamChunk,
    TimerFired,
    WaitStarted,
    WaitTimedOut,
)
from stepwell.streams.engine.mailbox import Mailbox
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import StepState


@dataclass(frozen=True, slots=True, eq=False)
class RecordedWait:
    """A wait as the journal knows it."""

    key: StepKey
    event_type: str
    match: Mapping[str, Json]


class Deliveries:
    """Which wait took which event, told from the records of a run."""

    def __init__(self) -> None:
        self.taken: dict[int, StepKey] = {}
        """The wait that took an event, by the event's place among the records."""
        self._mailbox: Mailbox[RecordedWait] = Mailbox()
        self._waits: dict[StepKey, RecordedWait] = {}
        self._places: dict[int, int] = {}

    def take(self, place: int, record: InstanceRecord) -> tuple[StepKey, EventReceived] | None:
        """Take the records one after the other; tells of a wait that has got its event now."""
        match record:
            case WaitStarted():
                wait = RecordedWait(step_key(record), record.event_type, record.match)
                self._waits[wait.key] = wait
                if event := self._mailbox.wait(wait):
                    return self._took(wait, event)
            case EventReceived():
                self._places[id(record)] = place
                if found := self._mailbox.offer(record):
                    return self._took(found, record)
            case WaitTimedOut():
                if late := self._waits.get(step_key(record)):
                    self._mailbox.leave(late)
            case _:
                pass
        return None

    def _took(self, wait: RecordedWait, event: EventReceived) -> tuple[StepKey, EventReceived]:
        self.taken[self._places[id(event)]] = wait.key
        return wait.key, event


StepwiseRecord = (
    AttemptFailed
    | AttemptStarted
    | ChildReported
    | SleepStarted
    | StepFailed
    | StepSucceeded
    | StreamChunk
    | TimerFired
    | WaitStarted
    | WaitTimedOut
)
"""Records about one step."""


def step_key(record: StepwiseRecord) -> StepKey:
    """The step that a record is about."""
    match record:
        case SleepStarted() | TimerFired():
            kind: str = StepKind.SLEEP
        case WaitStarted() | WaitTimedOut():
            kind = StepKind.WAIT
        case ChildReported():
            kind = StepKind.CHILD
        case _:
            kind = record.step_kind
    return StepKey(record.step, record.occurrence, kind)


def kept_after_restart(
    records: Sequence[InstanceRecord], request: RestartRequested, kept: Mapping[StepKey, StepState]
) -> list[InstanceRecord]:
    """The records that still count after a restart; `kept` are the steps of the folded state.

    Those of the steps that precede the target, and the events that waits among them took.
    """
    if request.from_step is None:
        return []
    last_call = max((step.call for step in kept.values()), default=0)
    deliveries = Deliveries()
    for place, record in enumerate(records):
        deliveries.take(place, record)
    return [
        record
        for place, record in enumerate(records)
        if _counts(record, deliveries.taken.get(place), kept)
        and not (isinstance(record, PatchMarked) and record.call > last_call)
    ]


def _counts(record: InstanceRecord, taken_by: StepKey | None, kept: Container[StepKey]) -> bool:
    match record:
        case EventReceived():
            return taken_by is not None and taken_by in kept
        case PatchMarked():
            return True
        case _:
            return isinstance(record, StepwiseRecord) and step_key(record) in kept
