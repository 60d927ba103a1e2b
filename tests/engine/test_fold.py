"""The fold: which records are accepted, which are refused and why."""

import pytest

from stepwell.schemas.journal import (
    AttemptFailed,
    Entry,
    InstanceCompleted,
    InstanceCreated,
    InstancePaused,
    InstanceRecord,
    InstanceResumed,
    StepFailed,
    StepSucceeded,
)
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.engine.fold import Verdict, fold, fold_claim
from stepwell.streams.engine.state import InstanceState, PartitionState, Status

BOOM = ErrorInfo("Boom", "")
CREATED = InstanceCreated({}, 0)


def succeeded(step: str = "a", *, epoch: int = 0, attempt: int = 1, run: int = 1) -> StepSucceeded:
    return StepSucceeded(run, step, 1, attempt, epoch, 0, 0, None)


def attempt_failed(attempt: int, *, epoch: int = 0) -> AttemptFailed:
    return AttemptFailed(1, "a", 1, attempt, epoch, 0, 0, BOOM, 0)


class Log:
    """One instance in one partition, claimed at offset 0."""

    def __init__(self) -> None:
        self.partition = PartitionState()
        self.state: InstanceState | None = None
        self.offset = 0
        self.claim()

    def claim(self) -> int:
        fold_claim(self.partition, self.offset)
        self.offset += 1
        return self.offset - 1

    def take(self, record: InstanceRecord, offset: int | None = None) -> Verdict:
        at = self.offset if offset is None else offset
        folded = fold(self.partition, self.state, Entry(at, record))
        self.state = folded.state
        self.offset = max(self.offset, at + 1)
        return folded.verdict


@pytest.fixture
def log() -> Log:
    log = Log()
    assert log.take(CREATED) is Verdict.ACCEPTED
    return log


def test_creating_an_instance_again_changes_nothing(log: Log) -> None:
    assert log.take(InstanceCreated({"other": 1}, 9)) is Verdict.DUPLICATE_INSTANCE


def test_the_first_completion_of_a_step_wins(log: Log) -> None:
    assert log.take(succeeded()) is Verdict.ACCEPTED
    assert log.take(succeeded()) is Verdict.STEP_FINISHED
    assert log.take(StepFailed(1, "a", 1, 2, 0, 0, 0, BOOM)) is Verdict.STEP_FINISHED


def test_a_redelivered_record_is_skipped(log: Log) -> None:
    log.take(succeeded(), offset=7)
    assert log.take(succeeded(), offset=7) is Verdict.REDELIVERED
    assert log.take(CREATED, offset=1) is Verdict.REDELIVERED


def test_a_record_of_an_earlier_owner_is_refused(log: Log) -> None:
    epoch = log.claim()
    assert log.take(succeeded(epoch=0)) is Verdict.FENCED
    assert log.take(InstanceCompleted(1, 0, 0, None)) is Verdict.FENCED
    assert log.take(succeeded(epoch=epoch)) is Verdict.ACCEPTED


def test_a_claim_that_was_folded_before_changes_nothing() -> None:
    partition = PartitionState()
    assert fold_claim(partition, 5)
    assert not fold_claim(partition, 5)
    assert not fold_claim(partition, 3)
    assert partition.epoch == 5


def test_a_late_attempt_is_refused(log: Log) -> None:
    assert log.take(attempt_failed(2)) is Verdict.ACCEPTED
    assert log.take(attempt_failed(1)) is Verdict.LATE_ATTEMPT
    assert log.take(succeeded(attempt=2)) is Verdict.LATE_ATTEMPT
    assert log.take(succeeded(attempt=3)) is Verdict.ACCEPTED


def test_nothing_happens_to_a_finished_instance(log: Log) -> None:
    assert log.take(InstanceCompleted(1, 0, 0, "out")) is Verdict.ACCEPTED
    assert log.take(succeeded()) is Verdict.INSTANCE_FINISHED
    assert log.take(InstancePaused(1, 0, 0, "why", "")) is Verdict.INSTANCE_FINISHED


def test_a_record_of_an_unknown_instance_is_refused() -> None:
    assert Log().take(succeeded()) is Verdict.UNKNOWN_INSTANCE


def test_a_record_of_another_run_is_refused(log: Log) -> None:
    assert log.take(succeeded(run=2)) is Verdict.OTHER_RUN


def test_a_paused_instance_keeps_results_and_goes_on(log: Log) -> None:
    log.take(InstancePaused(1, 0, 0, "diverged", ""))
    assert log.state is not None
    assert log.state.status is Status.PAUSED
    assert log.take(succeeded()) is Verdict.ACCEPTED
    log.take(InstanceResumed(1, 0, 0, "replays again"))
    assert log.state.status is Status.RUNNING
