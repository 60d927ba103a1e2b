"""Workflows whose behaviour real workers show; one for each thing that a workflow can do."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from stepwell.streams import (
    EventTimeout,
    NonRetryableError,
    Retries,
    RollbackContext,
    Step,
    Workflow,
    WorkflowEvent,
    Workflows,
    on_workflow,
)
from stepwell.streams.settings import Settings


async def give(value: Any) -> Any:
    return value


async def forever(_value: Any) -> None:
    await asyncio.Event().wait()


class Order(Workflow, name="order"):
    """Waits for its payment, with a reminder, and ships; gives the money back when that fails."""

    async def run(self, event: WorkflowEvent[dict[str, Any]], step: Step) -> dict[str, Any]:
        order = event.payload
        await step.do("reserve", give, order["id"], rollback=self.undo)
        match = {"order.id": order["id"]}
        try:
            paid = await step.wait_for_event("payment", type="paid", timeout="1 hour", match=match)
        except EventTimeout:
            return {"shipped": False}
        await step.do("charge", give, paid.payload["amount"], rollback=self.undo)
        await step.sleep("cool-off", timedelta(milliseconds=300))
        await step.do("ship", self.ship, order)
        return {"shipped": True, "amount": paid.payload["amount"]}

    async def ship(self, order: dict[str, Any]) -> str:
        if order.get("unshippable"):
            raise NonRetryableError("no such address")
        return "shipped"

    async def undo(self, context: RollbackContext) -> str:
        return f"undone {context.step} {context.output}"


class Batch(Workflow, name="batch"):
    """A child for each item, all at once, and the sum of what they return."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        parts = [step.child("part", Part, number) for number in range(event.payload)]
        return sum(await asyncio.gather(*parts))


class Part(Workflow, name="part"):
    """Sleeps a little, and gives its number back."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        await step.sleep("nap", timedelta(milliseconds=100 * (event.payload % 5)))
        return await step.do("work", give, event.payload)


class After(Workflow, name="after"):
    """Runs when a batch has completed."""

    triggers = (on_workflow("batch"),)

    async def run(self, event: WorkflowEvent[dict[str, Any]], step: Step) -> Any:
        return await step.do("note", give, event.payload["output"])


class Race(Workflow, name="race"):
    """The first of a timer and a step that never ends."""

    async def run(self, event: WorkflowEvent[None], step: Step) -> int:
        timer = step.sleep("limit", timedelta(milliseconds=200))
        return (await step.race(step.do("hang", forever, 1), timer)).winner


class Loop(Workflow, name="loop"):
    """Counts down over runs of its own."""

    async def run(self, event: WorkflowEvent[dict[str, int]], step: Step) -> int:
        left, total = event.payload["left"], event.payload["total"]
        total = await step.do("add", give, total + left)
        if left:
            step.continue_as_new({"left": left - 1, "total": total})
        return total


class Deadly(Workflow, name="deadly"):
    """Takes its worker down, until a file says that it is mended."""

    async def run(self, event: WorkflowEvent[str], step: Step) -> str:
        return await step.do("boom", self.boom, event.payload)

    async def boom(self, file: str) -> str:
        if not await asyncio.to_thread(Path(file).exists):
            os.kill(os.getpid(), signal.SIGKILL)
        return "mended"


class Steady(Workflow, name="steady"):
    """The neighbour of the deadly one."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        number = await step.do("first", give, event.payload, retries=Retries(limit=3, delay=0))
        await step.sleep("nap", timedelta(seconds=2))
        return number


@asynccontextmanager
async def all_of_them(_settings: Settings) -> AsyncIterator[Workflows]:
    yield Workflows([(it, None) for it in (Order, Batch, Part, After, Race, Loop, Deadly, Steady)])
