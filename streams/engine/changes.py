"""What an accepted record changes about its instance, beside its status."""

from collections.abc import Callable
from typing import Any, TypeAlias

from stepwell.schemas.commands import (
    CancelRequested,
    EventReceived,
    RestartRequested,
    ResumeRequested,
)
from stepwell.schemas.journal import (
    AttemptFailed,
    AttemptStarted,
    ChildReported,
    InstanceContinued,
    InstanceRecord,
    SleepStarted,
    StepFailed,
    StepSucceeded,
    TimerFired,
    WaitStarted,
    WaitTimedOut,
)
from stepwell.streams.engine.deliveries import step_key
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import InstanceState, Status, StepState

_EndRecord: TypeAlias = StepSucceeded | StepFailed | AttemptFailed


def is_carried_over(record: InstanceContinued, offset: int) -> bool:
    """Whether the next run gets the event that lies at this offset."""
    return offset > record.seen or offset in record.kept


def target_of(record: RestartRequested) -> StepKey:
    """The step from which to restart."""
    assert record.from_step is not None
    step = record.from_step
    return StepKey(step.name, step.occurrence, step.kind)


def _attempt_ended(state: InstanceState, record: _EndRecord, _offset: int) -> None:
    step = state.steps.setdefault(step_key(record), StepState())
    step.attempt, step.call, step.lost = record.attempt, record.call, 0
    step.finished = not isinstance(record, AttemptFailed)


def _attempt_started(state: InstanceState, record: AttemptStarted, _offset: int) -> None:
    state.steps.setdefault(step_key(record), StepState()).lost += 1  # until its end is recorded


def _wait_started(state: InstanceState, record: SleepStarted | WaitStarted, _offset: int) -> None:
    state.steps[step_key(record)] = StepState(1, finished=False, call=record.call)


def _time_is_up(state: InstanceState, record: TimerFired | WaitTimedOut, _offset: int) -> None:
    state.steps.setdefault(step_key(record), StepState(1)).finished = True


def _child_reported(state: InstanceState, record: ChildReported, _offset: int) -> None:
    state.steps[step_key(record)] = StepState(1, finished=True, call=record.call)


def _event_received(state: InstanceState, record: EventReceived, offset: int) -> None:
    if record.event_id:
        state.events[record.event_id] = offset


def _cancelled(state: InstanceState, _record: CancelRequested, _offset: int) -> None:
    state.cancelled = True


def _resumed(state: InstanceState, _record: ResumeRequested, _offset: int) -> None:
    for step in state.steps.values():
        step.lost = 0  # whoever asked for it wants to see it tried again


def _continued(state: InstanceState, record: InstanceContinued, offset: int) -> None:
    state.run, state.cancelled = offset, False
    state.status = Status.RUNNING  # whatever is left of the records of the run before
    state.steps.clear()
    here = {name: at for name, at in state.events.items() if is_carried_over(record, at)}
    state.events = {**dict.fromkeys(record.event_ids, -1), **here}


def _restarted(state: InstanceState, record: RestartRequested, offset: int) -> None:
    state.run, state.cancelled = offset, False
    if record.from_step is None:
        state.steps.clear()
        state.events.clear()
    elif (target := state.steps.get(target_of(record))) is not None:
        kept = state.steps.items()
        state.steps = {key: step for key, step in kept if step.call < target.call}


CHANGES: dict[type[InstanceRecord], Callable[[InstanceState, Any, int], None]] = {
    StepSucceeded: _attempt_ended,
    StepFailed: _attempt_ended,
    AttemptFailed: _attempt_ended,
    AttemptStarted: _attempt_started,
    SleepStarted: _wait_started,
    WaitStarted: _wait_started,
    TimerFired: _time_is_up,
    WaitTimedOut: _time_is_up,
    ChildReported: _child_reported,
    EventReceived: _event_received,
    CancelRequested: _cancelled,
    ResumeRequested: _resumed,
    InstanceContinued: _continued,
    RestartRequested: _restarted,
}
"""By kind of record; those that are not here change nothing more."""
