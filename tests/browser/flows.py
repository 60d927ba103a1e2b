"""Workflows of known shape, for a browser to look at; beside the product's own."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from stepwell.streams import (
    EventTimeout,
    NonRetryableError,
    Retries,
    Step,
    Workflow,
    WorkflowEvent,
    Workflows,
    on_event,
)
from stepwell.streams.default_workflows import embed_content
from stepwell.streams.settings import Settings

QUICK = Retries(limit=2, delay=timedelta(milliseconds=50), backoff="constant")


async def give(value: Any) -> Any:
    return value


class Greet(Workflow, name="greet"):
    """One step, which gives back what it was given."""

    async def run(self, event: WorkflowEvent[Any], step: Step) -> Any:
        return await step.do("say", give, event.payload)


class Order(Workflow, name="order"):
    """Reserves, waits for the payment, ships."""

    async def run(self, event: WorkflowEvent[Any], step: Step) -> dict[str, Any]:
        await step.do("reserve", give, event.payload)
        try:
            paid = await step.wait_for_event("payment", type="paid", timeout="1 day")
        except EventTimeout:
            return {"shipped": False}
        await step.do("ship", give, paid.payload)
        return {"shipped": True, "paid": paid.payload}


class Failing(Workflow, name="failing"):
    """Fails with the message that it was given, after retries."""

    async def run(self, event: WorkflowEvent[str], step: Step) -> None:
        await step.do("prepare", give, 1)
        await step.do("break", self.fail, event.payload, retries=QUICK)

    async def fail(self, message: str) -> None:
        raise ValueError(message)


class Retrying(Workflow, name="retrying"):
    """Fails, and waits an hour before it tries again."""

    async def run(self, event: WorkflowEvent[str], step: Step) -> None:
        await step.do("call", self.fail, retries=Retries(limit=3, delay="1 hour"))

    async def fail(self) -> None:
        raise ConnectionError("the other side is away")


class Nap(Workflow, name="nap"):
    """Sleeps for an hour."""

    async def run(self, event: WorkflowEvent[None], step: Step) -> None:
        await step.sleep("rest", "1 hour")


class Fan(Workflow, name="fan"):
    """Two steps at once, a child and a choice."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        left, right, child = await asyncio.gather(
            step.do("left", give, event.payload),
            step.do("right", give, event.payload),
            step.child("part", Part, event.payload),
        )
        if left + right > 100:
            await step.do("big", give, left)
        else:
            await step.do("small", give, right)
        return left + right + child


class Part(Workflow, name="part"):
    """Sleeps a little, and gives its number back."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        await step.sleep("breath", timedelta(milliseconds=200))
        return await step.do("work", give, event.payload)


class Odd(Workflow, name="odd"):
    """A step whose name is the text that it was given."""

    async def run(self, event: WorkflowEvent[str], step: Step) -> str:
        await step.do(event.payload, give, event.payload)
        raise NonRetryableError(event.payload)


class Long(Workflow, name="long"):
    """Many steps, all of them with large results, and a large one at last."""

    async def run(self, event: WorkflowEvent[Any], step: Step) -> str:
        text = event.payload["text"]
        for number in range(event.payload["steps"]):
            await step.do(f"step {number} {'long name ' * 15}", give, text[:3000])
        return str(text)


class Drift(Workflow, name="drift"):
    """Never gives the same twice: a replay that verifies it finds a difference."""

    async def run(self, event: WorkflowEvent[Any], step: Step) -> int:
        await step.do("same", give, event.payload)
        return await step.do("changes", self.read_clock)

    async def read_clock(self) -> int:
        return time.time_ns()


class Picky(Workflow, name="picky"):
    """Its trigger fails, so that events become dead letters, until a file says it is mended."""

    triggers = (on_event("test.counted", params=lambda event: counted(event.data)),)

    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        return await step.do("count", give, event.payload)


def counted(data: Any) -> int:
    if not Path(os.environ["STEPWELL_TEST_MENDED"]).exists():
        raise KeyError(data["why"])
    return len(data)


OURS = (Greet, Order, Failing, Retrying, Nap, Fan, Part, Odd, Long, Drift, Picky)


@asynccontextmanager
async def everything(settings: Settings) -> AsyncIterator[Workflows]:
    """These, and the product's own."""
    async with embed_content(settings) as workflows:
        for workflow in OURS:
            workflows.add(workflow)
        yield workflows
