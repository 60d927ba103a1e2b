"""The fold: one journal record changes what is known, or is refused. Every rule of that is here.

Total, deterministic and idempotent: whoever folds the same log comes to the same state, which is
what keeps two owners of one partition (a zombie after a rebalance) from disagreeing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from stepwell.schemas.commands import (
    CancelRequested,
    DeleteRequested,
    EventReceived,
    PauseRequested,
    RestartRequested,
    ResumeRequested,
    TerminateRequested,
)
from stepwell.schemas.journal import (
    AttemptFailed,
    AttemptStarted,
    ChildReported,
    Entry,
    InstanceCompleted,
    InstanceContinued,
    InstanceCreated,
    InstanceErrored,
    InstanceIdled,
    InstancePaused,
    InstancePurged,
    InstanceQueued,
    InstanceRecord,
    InstanceResumed,
    InstanceStarted,
    InstanceTerminated,
    OwnerRecord,
    SleepStarted,
    StepFailed,
    StepSucceeded,
    StreamChunk,
    TimerFired,
    WaitStarted,
    WaitTimedOut,
)
from stepwell.streams.engine.changes import CHANGES, target_of
from stepwell.streams.engine.deliveries import step_key
from stepwell.streams.engine.state import (
    TERMINAL,
    InstanceState,
    PartitionState,
    Status,
)


class Verdict(StrEnum):
    """What the fold did with a record. All but the first leave the state as it was."""

    ACCEPTED = "accepted"
    REDELIVERED = "redelivered"
    DUPLICATE_INSTANCE = "duplicate-instance"
    DUPLICATE_EVENT = "duplicate-event"
    UNKNOWN_INSTANCE = "unknown-instance"
    UNKNOWN_STEP = "unknown-step"
    INSTANCE_FINISHED = "instance-finished"
    NO_EFFECT = "no-effect"
    OTHER_RUN = "other-run"
    FENCED = "fenced"
    STEP_FINISHED = "step-finished"
    LATE_ATTEMPT = "late-attempt"


@dataclass(frozen=True, slots=True)
class Folded:
    """The state after the fold (None: no such instance) and what became of the record."""

    verdict: Verdict
    state: InstanceState | None


_EndRecord: TypeAlias = StepSucceeded | StepFailed | AttemptFailed
_AttemptRecord: TypeAlias = _EndRecord | AttemptStarted | StreamChunk
_Unfenced: TypeAlias = (
    CancelRequested
    | ChildReported
    | DeleteRequested
    | EventReceived
    | PauseRequested
    | RestartRequested
    | ResumeRequested
    | TerminateRequested
)

AS_REQUESTED = "requested"
"""Why an instance is paused that was asked to; a resumption in between revokes it."""

# What may make workflow code go on.
_MOVING = (
    StepSucceeded,
    StepFailed,
    TimerFired,
    WaitTimedOut,
    ChildReported,
    EventReceived,
    InstanceStarted,
    InstanceContinued,
    InstanceResumed,
    ResumeRequested,
    CancelRequested,
    TerminateRequested,
    RestartRequested,
)

_S = Status
_LIVE = frozenset(Status) - TERMINAL
_WOKEN = {**{status: status for status in _LIVE}, _S.WAITING: _S.RUNNING}
_ENDED = dict.fromkeys(_LIVE, _S.TERMINATED)

_ENDINGS: dict[type[InstanceRecord], Status] = {
    InstanceCompleted: _S.COMPLETE,
    InstanceErrored: _S.ERRORED,
    InstanceTerminated: _S.TERMINATED,
}

# kind of record -> status in which it is accepted -> status after it. A kind that is not here is
# accepted in every status that is not terminal, and changes none.
_TRANSITIONS: dict[type[InstanceRecord], dict[Status, Status]] = {
    InstanceQueued: {_S.RUNNING: _S.QUEUED},
    InstanceStarted: {_S.QUEUED: _S.RUNNING},
    InstanceIdled: {_S.RUNNING: _S.WAITING, _S.QUEUED: _S.WAITING},
    InstancePaused: dict.fromkeys(_LIVE - {_S.PAUSED}, _S.PAUSED),
    InstanceResumed: {_S.PAUSED: _S.RUNNING},
    InstanceCompleted: dict.fromkeys(_LIVE, _S.COMPLETE),
    InstanceErrored: dict.fromkeys(_LIVE, _S.ERRORED),
    InstanceTerminated: _ENDED,
    InstanceContinued: dict.fromkeys((_S.QUEUED, _S.RUNNING, _S.WAITING), _S.RUNNING),
    InstancePurged: {status: status for status in TERMINAL},
    PauseRequested: dict.fromkeys((_S.QUEUED, _S.RUNNING, _S.WAITING), _S.WAITING_FOR_PAUSE),
    ResumeRequested: dict.fromkeys((_S.PAUSED, _S.WAITING_FOR_PAUSE), _S.RUNNING),
    CancelRequested: dict.fromkeys(_LIVE, _S.RUNNING),
    TerminateRequested: _ENDED,
    RestartRequested: dict.fromkeys(Status, _S.RUNNING),
    DeleteRequested: {status: status for status in Status},
    TimerFired: _WOKEN,
    WaitTimedOut: _WOKEN,
    ChildReported: _WOKEN,
    EventReceived: _WOKEN,
    StepSucceeded: _WOKEN,
    StepFailed: _WOKEN,
}


def ended_as(record: InstanceRecord) -> Status | None:
    """The terminal status that an accepted record gives its instance, if it does."""
    if isinstance(record, TerminateRequested):
        return None if record.rollback else Status.TERMINATED
    return _ENDINGS.get(type(record))


def fold_claim(partition: PartitionState, offset: int) -> bool:
    """A claim: from here on its offset is the epoch. False when it was folded before."""
    if offset <= partition.epoch:
        return False
    partition.epoch = offset
    return True


def fold(partition: PartitionState, state: InstanceState | None, entry: Entry) -> Folded:
    """Fold a record of one instance; `state` is None when no such instance is known."""
    record = entry.record
    assert not isinstance(record, OwnerRecord), "claims go to fold_claim"
    verdict = _judge(partition, state, record, entry.offset)
    if verdict is not Verdict.ACCEPTED:
        return Folded(verdict, state)
    if isinstance(record, InstanceCreated):
        return Folded(verdict, _create(state, record, entry.offset))
    assert state is not None
    if isinstance(record, DeleteRequested | InstancePurged):
        return Folded(verdict, None)
    _apply(state, record, entry.offset)
    return Folded(verdict, state)


def refold(state: InstanceState | None, entry: Entry) -> InstanceState | None:
    """Fold a record that was accepted before; records that a later run has dropped may be missing.

    Read back from rows, records say nothing that must be judged again.
    """
    record = entry.record
    assert not isinstance(record, OwnerRecord)
    if isinstance(record, InstanceCreated):
        # What lies before one that is not debounced is left over from a deleted instance.
        return _create(state if record.debounce_ms else None, record, entry.offset)
    if state is None:
        return None
    _apply(state, record, entry.offset)
    return state


def _create(state: InstanceState | None, record: InstanceCreated, offset: int) -> InstanceState:
    debounced = record.debounce_ms > 0
    if state is not None and state.status not in TERMINAL and not state.debounced:
        state.offset = state.pending = offset
        return state
    status = Status.QUEUED if debounced else Status.RUNNING
    parent = record.parent.key if record.parent else ""
    return InstanceState(
        status, run=offset, offset=offset, moved=offset, debounced=debounced, parent=parent
    )


def _apply(state: InstanceState, record: InstanceRecord, offset: int) -> None:
    state.offset = offset
    before, state.status = state.status, _status_after(state.status, record)
    if isinstance(record, _MOVING):
        state.moved = offset
    if change := CHANGES.get(type(record)):
        change(state, record, offset)
    if state.status is not Status.QUEUED:
        state.debounced = False
    if state.pending is not None and state.status in TERMINAL and before not in TERMINAL:
        state.run, state.moved, state.pending = state.pending, state.pending, None
        state.status, state.debounced = Status.QUEUED, True
        state.cancelled, state.parent = False, ""  # as a fold that begins here has it
        state.steps.clear()
        state.events.clear()


def _status_after(status: Status, record: InstanceRecord) -> Status:
    if isinstance(record, TerminateRequested) and record.rollback:
        return Status.RUNNING
    return _TRANSITIONS.get(type(record), {}).get(status, status)


def _judge(
    partition: PartitionState, state: InstanceState | None, record: InstanceRecord, offset: int
) -> Verdict:
    if state is None:
        created = isinstance(record, InstanceCreated)
        return Verdict.ACCEPTED if created else Verdict.UNKNOWN_INSTANCE
    if offset <= state.offset:
        return Verdict.REDELIVERED
    if isinstance(record, InstanceCreated):
        return Verdict.ACCEPTED if record.debounce_ms > 0 else Verdict.DUPLICATE_INSTANCE
    if not isinstance(record, _Unfenced):
        if record.epoch < partition.epoch:
            return Verdict.FENCED
        if record.run != state.run:
            return Verdict.INSTANCE_FINISHED if state.status.terminal else Verdict.OTHER_RUN
    transitions = _TRANSITIONS.get(type(record))
    if state.status not in (_LIVE if transitions is None else transitions):
        terminal = state.status.terminal
        return Verdict.INSTANCE_FINISHED if terminal else Verdict.NO_EFFECT
    judge = _JUDGES.get(type(record))
    return judge(state, record) if judge else Verdict.ACCEPTED


def _judge_attempt(state: InstanceState, record: _AttemptRecord) -> Verdict:
    step = state.steps.get(step_key(record))
    if step is not None and step.finished:
        return Verdict.STEP_FINISHED
    if step is not None and record.attempt <= step.attempt:
        return Verdict.LATE_ATTEMPT
    return Verdict.ACCEPTED


def _judge_start(state: InstanceState, record: SleepStarted | WaitStarted) -> Verdict:
    return Verdict.STEP_FINISHED if step_key(record) in state.steps else Verdict.ACCEPTED


def _judge_end(state: InstanceState, record: TimerFired | WaitTimedOut) -> Verdict:
    step = state.steps.get(step_key(record))
    return Verdict.STEP_FINISHED if step and step.finished else Verdict.ACCEPTED


def _judge_child(state: InstanceState, record: ChildReported) -> Verdict:
    if record.run != state.run:
        return Verdict.OTHER_RUN
    step = state.steps.get(step_key(record))
    return Verdict.STEP_FINISHED if step and step.finished else Verdict.ACCEPTED


def _judge_event(state: InstanceState, record: EventReceived) -> Verdict:
    return Verdict.DUPLICATE_EVENT if record.event_id in state.events else Verdict.ACCEPTED


def _judge_cancel(state: InstanceState, record: CancelRequested) -> Verdict:
    if record.parent and record.parent != state.parent:
        return Verdict.NO_EFFECT  # somebody else's instance of that id
    return Verdict.NO_EFFECT if state.cancelled else Verdict.ACCEPTED


def _judge_paused(state: InstanceState, record: InstancePaused) -> Verdict:
    too_late = record.reason == AS_REQUESTED and state.status is not Status.WAITING_FOR_PAUSE
    return Verdict.NO_EFFECT if too_late else Verdict.ACCEPTED


def _judge_idled(state: InstanceState, record: InstanceIdled) -> Verdict:
    return Verdict.ACCEPTED if record.after == state.moved else Verdict.NO_EFFECT


def _judge_restart(state: InstanceState, record: RestartRequested) -> Verdict:
    known = record.from_step is None or target_of(record) in state.steps
    return Verdict.ACCEPTED if known else Verdict.UNKNOWN_STEP


_JUDGES: dict[type[InstanceRecord], Callable[[InstanceState, Any], Verdict]] = {
    StepSucceeded: _judge_attempt,
    StepFailed: _judge_attempt,
    AttemptFailed: _judge_attempt,
    AttemptStarted: _judge_attempt,
    StreamChunk: _judge_attempt,
    SleepStarted: _judge_start,
    WaitStarted: _judge_start,
    TimerFired: _judge_end,
    WaitTimedOut: _judge_end,
    ChildReported: _judge_child,
    EventReceived: _judge_event,
    CancelRequested: _judge_cancel,
    InstancePaused: _judge_paused,
    InstanceIdled: _judge_idled,
    RestartRequested: _judge_restart,
}
