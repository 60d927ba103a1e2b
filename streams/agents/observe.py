"""What the fold did, as metrics."""

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
from stepwell.streams.metrics import Metrics

MS_PER_S = 1000


class Observer:
    """Counts accepted and refused records; called once for every record of the journal."""

    def __init__(self, metrics: Metrics) -> None:
        self._worker = metrics.worker
        self._duplicates = metrics.duplicates

    def __call__(self, key: InstanceKey, record: InstanceRecord, verdict: Verdict) -> None:
        """Count one record."""
        if verdict is not Verdict.ACCEPTED:
            self._duplicates.labels(verdict).inc()
            return
        worker, workflow = self._worker, key.workflow
        match record:
            case StepSucceeded() | AttemptFailed() | StepFailed():
                outcome = _OUTCOMES[type(record)]
                worker.step_attempts.labels(workflow, record.step, outcome).inc()
                duration_s = (record.at_ms - record.started_ms) / MS_PER_S
                worker.step_duration.labels(workflow, record.step).observe(max(duration_s, 0))
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
