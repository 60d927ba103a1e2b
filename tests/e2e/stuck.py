"""Workflows that do not advance, each for a reason of its own."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from stepwell.streams import Retries, Step, Workflow, WorkflowEvent, Workflows
from stepwell.streams.engine.places import Places
from stepwell.streams.errors import IndexUnavailable
from stepwell.streams.settings import Settings


async def forever() -> None:
    await asyncio.Event().wait()


class Sleeper(Workflow, name="sleeper"):
    async def run(self, event: WorkflowEvent[Any], step: Step) -> None:
        await step.sleep("nap", "1 day")


class Listener(Workflow, name="listener"):
    async def run(self, event: WorkflowEvent[Any], step: Step) -> None:
        await step.wait_for_event("approval", type="approved", match={"order": 7})


class Parent(Workflow, name="parent"):
    async def run(self, event: WorkflowEvent[Any], step: Step) -> None:
        await step.child("nested", Sleeper, None, instance_id="nested")


class Failing(Workflow, name="failing"):
    async def run(self, event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("store", self.store, event.payload, retries=Retries(limit=5, delay="1 hour"))

    async def store(self, index_is_down: bool) -> None:
        if index_is_down:
            raise IndexUnavailable("index at 127.0.0.1:1 does not answer")
        raise ConnectionError("no luck")


class Single(Workflow, name="single"):
    places = Places(running_max=1)

    async def run(self, event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("hang", forever)


class Changing(Workflow, name="changing"):
    """Its first step is called differently in a later release."""

    async def run(self, event: WorkflowEvent[Any], step: Step) -> None:
        await step.do(os.environ["STEPWELL_TEST_STEP"], str, 1)
        await step.do("hang", forever)


class Gone(Workflow, name="gone"):
    """A later release does not carry it any more."""

    async def run(self, event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("hang", forever)


@asynccontextmanager
async def before(_settings: Settings) -> AsyncIterator[Workflows]:
    classes = (Sleeper, Listener, Parent, Failing, Single, Changing, Gone)
    yield Workflows([(it, None) for it in classes])


@asynccontextmanager
async def after(_settings: Settings) -> AsyncIterator[Workflows]:
    classes = (Sleeper, Listener, Parent, Failing, Single, Changing)
    yield Workflows([(it, None) for it in classes])
