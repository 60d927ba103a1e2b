"""What the fold did, as metrics."""

from stepwell.schemas.journal import (
    AttemptFailed,
    InstanceCompleted,
    InstanceCreated,
    InstanceErrored,
    InstanceKey,
    InstanceRecord,
    StepFailed,
    StepSucceeded,
)
from stepwell.streams.engine.fold import Verdict
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
            case InstanceCompleted():
                worker.instances_finished.labels(workflow, "complete").inc()
            case InstanceErrored():
                worker.instances_finished.labels(workflow, "errored").inc()
            case _:
                pass


_OUTCOMES = {StepSucceeded: "succeeded", AttemptFailed: "failed", StepFailed: "gave-up"}
