"""What the fold accepted and refused, as metrics."""

import pytest

from stepwell.schemas.commands import DeleteRequested, RestartRequested, TerminateRequested
from stepwell.schemas.journal import (
    InstanceCompleted,
    InstanceErrored,
    InstanceIdled,
    InstanceKey,
    InstancePaused,
    InstanceQueued,
    InstanceRecord,
    InstanceTerminated,
)
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.agents.observe import Observer
from stepwell.streams.engine.fold import Verdict
from stepwell.streams.metrics import Metrics

KEY = InstanceKey("order", "one")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("test")


@pytest.mark.parametrize(
    ("record", "status"),
    [
        (InstanceCompleted(1, 0, 2, None), "complete"),
        (InstanceErrored(1, 0, 2, ErrorInfo("Boom", "")), "errored"),
        (InstanceTerminated(1, 0, 2, ""), "terminated"),
        (TerminateRequested(2), "terminated"),
    ],
)
def test_ends_are_counted_by_status(metrics: Metrics, record: InstanceRecord, status: str) -> None:
    Observer(metrics)(KEY, record, Verdict.ACCEPTED)
    line = f'stepwell_instances_finished_total{{status="{status}",workflow="order"}} 1.0'
    assert line.encode() in metrics.render()


@pytest.mark.parametrize(
    ("record", "change"),
    [
        (InstanceQueued(1, 0, 2, "running_max"), "queued"),
        (InstanceIdled(1, 0, 2, 1), "waiting"),
        (InstancePaused(1, 0, 2, "diverged", ""), "paused"),
        (RestartRequested(2), "restarted"),
        (DeleteRequested(2), "deleted"),
    ],
)
def test_changes_are_counted_by_kind(metrics: Metrics, record: InstanceRecord, change: str) -> None:
    Observer(metrics)(KEY, record, Verdict.ACCEPTED)
    line = f'stepwell_instances_changed_total{{change="{change}",workflow="order"}} 1.0'
    assert line.encode() in metrics.render()


def test_a_termination_with_rollback_is_not_yet_an_end(metrics: Metrics) -> None:
    Observer(metrics)(KEY, TerminateRequested(2, rollback=True), Verdict.ACCEPTED)
    assert b"instances_finished_total{" not in metrics.render()


def test_what_is_refused_is_counted_by_its_verdict_only(metrics: Metrics) -> None:
    Observer(metrics)(KEY, InstanceCompleted(1, 0, 2, None), Verdict.FENCED)
    assert b'stepwell_duplicates_total{stage="fenced"} 1.0' in metrics.render()
    assert b"instances_finished_total{" not in metrics.render()
