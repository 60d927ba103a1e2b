"""Durable workflows on your own Kafka: what a workflow author imports, and nothing else."""

from stepwell.schemas.parts import Lane, Retention
from stepwell.streams.blobs import BlobRef, BlobStore, DirectoryBlobStore
from stepwell.streams.engine.compensation import RollbackContext
from stepwell.streams.engine.errors import ChildError, EventTimeout, NonRetryableError, StepError
from stepwell.streams.engine.places import Places, Rate
from stepwell.streams.engine.racing import RaceResult
from stepwell.streams.engine.retry import Backoff, Retries
from stepwell.streams.engine.triggers import (
    CatchUp,
    EventTrigger,
    on_cron,
    on_event,
    on_workflow,
    send_on,
)
from stepwell.streams.engine.workflow import (
    CronSchedule,
    ReceivedEvent,
    Step,
    StepContext,
    StreamResult,
    Workflow,
    WorkflowEvent,
)
from stepwell.streams.runtime.registry import Workflows

__all__ = [
    "Backoff",
    "BlobRef",
    "BlobStore",
    "CatchUp",
    "ChildError",
    "CronSchedule",
    "DirectoryBlobStore",
    "EventTimeout",
    "EventTrigger",
    "Lane",
    "NonRetryableError",
    "Places",
    "RaceResult",
    "Rate",
    "ReceivedEvent",
    "Retention",
    "Retries",
    "RollbackContext",
    "Step",
    "StepContext",
    "StepError",
    "StreamResult",
    "Workflow",
    "WorkflowEvent",
    "Workflows",
    "on_cron",
    "on_event",
    "on_workflow",
    "send_on",
]
