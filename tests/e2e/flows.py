"""Workflows for tests that need bodies of a known duration; carried by real workers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from stepwell.streams import Step, Workflow, WorkflowEvent, Workflows, on_event
from stepwell.streams.examples.embed_content import content_changed
from stepwell.streams.settings import Settings

STEPS = 3
BODY_S = 0.5


class Slow(Workflow, name="slow"):
    """A few steps that take their time."""

    triggers = (on_event("com.github.issues.*", params=lambda event: event.subject),)

    async def run(self, event: WorkflowEvent[str], step: Step) -> list[Any]:
        return [await step.do("wait", self.wait, number) for number in range(STEPS)]

    async def wait(self, number: int) -> int:
        await asyncio.sleep(BODY_S)
        return number


class Strict(Workflow, name="strict"):
    """Takes only events whose data is a GitHub item."""

    triggers = (on_event("com.github.*", params=content_changed),)

    async def run(self, event: WorkflowEvent[Any], step: Step) -> str:
        return "taken"


@asynccontextmanager
async def slow(_settings: Settings) -> AsyncIterator[Workflows]:
    yield Workflows([(Slow, None)])


@asynccontextmanager
async def strict(_settings: Settings) -> AsyncIterator[Workflows]:
    yield Workflows([(Strict, None)])
