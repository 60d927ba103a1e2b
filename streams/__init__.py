"""Durable workflows on your own Kafka: what a workflow author imports, and nothing else."""

from stepwell.streams.engine.errors import NonRetryableError, StepError
from stepwell.streams.engine.retry import Backoff, Retries
from stepwell.streams.engine.triggers import EventTrigger, on_event
from stepwell.streams.engine.workflow import Step, StepContext, Workflow, WorkflowEvent
from stepwell.streams.runtime.registry import Workflows

__all__ = [
    "Backoff",
    "EventTrigger",
    "NonRetryableError",
    "Retries",
    "Step",
    "StepContext",
    "StepError",
    "Workflow",
    "WorkflowEvent",
    "Workflows",
    "on_event",
]
