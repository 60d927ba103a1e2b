"""What the fold did, as metrics."""

from collections.abc import Sequence

from stepwell.schemas.commands import DeleteRequested, RestartRequested
from stepwell.schemas.journal import (
    AttemptFailed,
    InstanceContinued,
    InstanceCreated,
    InstanceIdled,
    InstanceKey,
    InstancePaused,
    InstancePurged,
    InstanceQueued,
    InstanceRecord,
    StepFailed,
    StepSucceeded,
)
from stepwell.streams.engine.fold import Verdict, ended_as
from stepwell.streams.engine.state import TERMINAL
from stepwell.streams.metrics import Metrics

MS_PER_S = 1000


class Observer:
    """Counts accepted and refused records; called once for every record of the journal."""

    def __init__(self, metrics: Metrics, workflows: Sequence[str] = ()) -> None:
        """Of the workflows that are known now, all is counted from 0 on: rates need that."""
        self._worker = metrics.worker
        self._duplicates = metrics.duplicates
        self._replayed = metrics.replay_records
        for workflow in map(self._worker.workflow, workflows):
            self._worker.instances_started.labels(workflow)
            for change in _CHANGES.values():
                self._worker.instances_changed.labels(workflow, change)
            for status in TERMINAL:
                self._worker.instances_finished.labels(workflow, status)
        for verdict in Verdict:
            self._replayed.labels(verdict)
            if verdict is not Verdict.ACCEPTED:
                self._duplicates.labels(verdict)

    def __call__(self, key: InstanceKey, record: InstanceRecord, verdict: Verdict) -> None:
        """Count one record."""
        if isinstance(record, InstanceCreated) and record.replay is not None:
            self._replayed.labels(verdict).inc()
        if verdict is not Verdict.ACCEPTED:
            self._duplicates.labels(verdict).inc()
            return
        worker, workflow = self._worker, self._worker.workflow(key.workflow)
        match record:
            case StepSucceeded() | AttemptFailed() | StepFailed():
                outcome = _OUTCOMES[type(record)]
                duration_s = max(0, record.at_ms - record.started_ms) / MS_PER_S
                worker.attempt_ended(workflow, record.step, outcome, duration_s, key.instance)
            case InstanceCreated():
                worker.instances_started.labels(workflow).inc()
            case _ if status := ended_as(record):
                worker.instances_finished.labels(workflow, status).inc()
            case _ if change := _CHANGES.get(type(record)):
                worker.instances_changed.labels(workflow, change).inc()
            case _:
                pass


_OUTCOMES = {StepSucceeded: "succeeded", AttemptFailed: "failed", StepFailed: "gave-up"}
_CHANGES: dict[type[InstanceRecord], str] = {
    DeleteRequested: "deleted",
    InstanceContinued: "continued",
    InstanceIdled: "waiting",
    InstancePaused: "paused",
    InstancePurged: "purged",
    InstanceQueued: "queued",
    RestartRequested: "restarted",
}
