"""What one run of an instance starts from."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.streams.engine.typed import payload_decoder
from stepwell.streams.engine.workflow import CronSchedule, Workflow, WorkflowEvent


@dataclass(frozen=True, slots=True)
class Run:
    """What a run starts from: the instance, the number of the run, and its creation."""

    key: InstanceKey
    number: int
    created: InstanceCreated
    began_ms: int = 0


def workflow_event(workflow: Workflow, run: Run) -> WorkflowEvent[Any]:
    """What the workflow's `run` is called with."""
    key, created, cron = run.key, run.created, run.created.schedule
    payload = payload_decoder(type(workflow).run, WorkflowEvent)(created.params)
    schedule = CronSchedule(cron.cron, _utc(cron.scheduled_ms)) if cron else None
    return WorkflowEvent(payload, _utc(created.at_ms), key.instance, key.workflow, schedule)


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)
