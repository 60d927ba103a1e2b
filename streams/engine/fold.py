"""The fold: one journal record changes what is known, or is refused. Every rule is in this file.

Total, deterministic and idempotent: whoever folds the same log comes to the same state, which is
what keeps two owners of one partition (a zombie after a rebalance) from disagreeing.
"""

from dataclasses import dataclass
from enum import StrEnum

from stepwell.schemas.journal import (
    AttemptFailed,
    Entry,
    InstanceCompleted,
    InstanceCreated,
    InstanceErrored,
    InstancePaused,
    InstanceRecord,
    InstanceResumed,
    OwnerClaimed,
    StepFailed,
    StepRecord,
    StepSucceeded,
)
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import InstanceState, PartitionState, Status, StepState


class Verdict(StrEnum):
    """What the fold did with a record. All but the first leave the state as it was."""

    ACCEPTED = "accepted"
    REDELIVERED = "redelivered"
    DUPLICATE_INSTANCE = "duplicate-instance"
    UNKNOWN_INSTANCE = "unknown-instance"
    INSTANCE_FINISHED = "instance-finished"
    OTHER_RUN = "other-run"
    FENCED = "fenced"
    STEP_FINISHED = "step-finished"
    LATE_ATTEMPT = "late-attempt"


@dataclass(frozen=True, slots=True)
class Folded:
    """The state after the fold and what became of the record."""

    verdict: Verdict
    state: InstanceState | None


_STATUS_AFTER: dict[type[InstanceRecord], Status] = {
    InstanceCreated: Status.RUNNING,
    InstanceResumed: Status.RUNNING,
    InstancePaused: Status.PAUSED,
    InstanceErrored: Status.ERRORED,
    InstanceCompleted: Status.COMPLETE,
}


def changes_status(record: InstanceRecord) -> bool:
    """Whether an accepted record of this kind changes the header row of its instance."""
    return type(record) in _STATUS_AFTER


def fold_claim(partition: PartitionState, offset: int) -> bool:
    """A claim: from here on its offset is the epoch. False when it was folded before."""
    if offset <= partition.epoch:
        return False
    partition.epoch = offset
    return True


def fold(partition: PartitionState, state: InstanceState | None, entry: Entry) -> Folded:
    """Fold a record of one instance; `state` is None when no such instance is known."""
    record = entry.record
    assert not isinstance(record, OwnerClaimed), "claims go to fold_claim"
    verdict = _judge(partition, state, record, entry.offset)
    if verdict is not Verdict.ACCEPTED:
        return Folded(verdict, state)
    if state is None:
        state = InstanceState(Status.RUNNING, run=1, offset=entry.offset)
    state.offset = entry.offset
    if isinstance(record, StepSucceeded | StepFailed | AttemptFailed):
        step = state.steps.setdefault(StepKey(record.step, record.occurrence), StepState())
        step.attempt = record.attempt
        step.finished = not isinstance(record, AttemptFailed)
    else:
        state.status = _STATUS_AFTER[type(record)]
    return Folded(verdict, state)


def _judge(
    partition: PartitionState, state: InstanceState | None, record: InstanceRecord, offset: int
) -> Verdict:
    if state is None:
        created = isinstance(record, InstanceCreated)
        return Verdict.ACCEPTED if created else Verdict.UNKNOWN_INSTANCE
    if offset <= state.offset:
        return Verdict.REDELIVERED
    if isinstance(record, InstanceCreated):
        return Verdict.DUPLICATE_INSTANCE
    if record.epoch < partition.epoch:
        return Verdict.FENCED
    if state.status.terminal:
        return Verdict.INSTANCE_FINISHED
    if record.run != state.run:
        return Verdict.OTHER_RUN
    if isinstance(record, StepSucceeded | StepFailed | AttemptFailed):
        return _judge_step(state, record)
    return Verdict.ACCEPTED


def _judge_step(state: InstanceState, record: StepRecord) -> Verdict:
    step = state.steps.get(StepKey(record.step, record.occurrence))
    if step is not None and step.finished:
        return Verdict.STEP_FINISHED
    if step is not None and record.attempt <= step.attempt:
        return Verdict.LATE_ATTEMPT
    return Verdict.ACCEPTED
