"""The workflows of the subset that also runs through a real worker; all of them in one worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from stepwell.streams import (
    NonRetryableError,
    Retries,
    Step,
    StepError,
    Workflow,
    WorkflowEvent,
    Workflows,
)
from stepwell.streams.settings import Settings

SOON = Retries(limit=2, delay="50 ms", backoff="constant")


def double(number: int) -> int:
    return number * 2


def refuse() -> None:
    raise NonRetryableError("no")


def undo(_context: Any) -> None:
    """A rollback handler."""


class Ordered(Workflow, name="conform-ordered"):
    """Steps, a short sleep, and a failure that is caught."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> Any:
        first = await step.do("first", double, event.payload, retries=SOON)
        await step.sleep("short", "50 ms")
        try:
            await step.do("refuse", refuse)
        except StepError as error:
            return [first, error.error_message]


class Listening(Workflow, name="conform-listening"):
    """Takes two events."""

    async def run(self, event: WorkflowEvent[Any], step: Step) -> Any:
        one = await step.wait_for_event("one", type="go", timeout="1 hour")
        two = await step.wait_for_event("two", type="go", timeout="1 hour")
        return [one.payload, two.payload]


class Failing(Workflow, name="conform-failing"):
    """Fails, and undoes its step."""

    async def run(self, event: WorkflowEvent[Any], step: Step) -> Any:
        await step.do("done", double, 1, rollback=undo)
        raise ValueError("after all")


class Family(Workflow, name="conform-family"):
    """Awaits children; one is another run of the same parent's code."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> Any:
        child = await step.child("child", Ordered, event.payload)
        return ["parent", child]


class Endless(Workflow, name="conform-endless"):
    """Three runs, each with what the one before has left."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        value = await step.do("add", double, event.payload)
        if value < 8:
            step.continue_as_new(value)
        return value


SHARED: tuple[type[Workflow], ...] = (Ordered, Listening, Failing, Family, Endless)


@asynccontextmanager
async def shared(_settings: Settings) -> AsyncIterator[Workflows]:
    """What `worker.workflows` names."""
    yield Workflows([(workflow, None) for workflow in SHARED])
