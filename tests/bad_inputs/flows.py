"""Workflows that the rows about topics are for: small, and strict where it matters."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from stepwell.streams import Step, Workflow, WorkflowEvent, Workflows, on_event, send_on
from stepwell.streams.examples.embed_content import content_changed
from stepwell.streams.settings import Settings


def number(event: Any) -> str:
    return str(event.data["number"])


class Order(Workflow, name="order"):
    """Starts with an order, and gives its number back."""

    triggers = (on_event("shop.order"), on_event("shop.numbered", instance_id=number))

    async def run(self, event: WorkflowEvent[Any], step: Step) -> Any:
        await step.sleep("a moment", "1 millisecond")
        return await step.do("read", lambda: event.payload["number"])


class Audit(Workflow, name="audit"):
    """Starts with the same events, under the same ids."""

    triggers = (on_event("shop.numbered", instance_id=number),)

    async def run(self, event: WorkflowEvent[Any], step: Step) -> None:
        """Nothing more: it was there."""


class Payment(Workflow, name="payment"):
    """Waits until it is paid."""

    triggers = (
        on_event("shop.bill", instance_id=number),
        send_on("shop.paid", instance_id=number, type="paid"),
    )

    async def run(self, event: WorkflowEvent[Any], step: Step) -> Any:
        paid = await step.wait_for_event("payment", type="paid")
        return paid.payload


class Content(Workflow, name="content"):
    """Takes GitHub items, and nothing else of that name."""

    triggers = (on_event("com.github.*", params=content_changed),)

    async def run(self, event: WorkflowEvent[Any], step: Step) -> str:
        return event.payload["document"]["state"]


class Large(Workflow, name="large"):
    """Comes near a limit, or goes beyond it."""

    triggers = (on_event("shop.large", instance_id=number),)
    steps_max = 10

    async def run(self, event: WorkflowEvent[Any], step: Step) -> None:
        wanted = event.payload
        for _ in range(wanted.get("steps", 1)):
            await step.do("copy", lambda: "x" * wanted.get("bytes", 0))


@asynccontextmanager
async def workflows(_settings: Settings) -> AsyncIterator[Workflows]:
    """What the worker of the tests carries."""
    yield Workflows((one, None) for one in (Order, Audit, Payment, Content, Large))
