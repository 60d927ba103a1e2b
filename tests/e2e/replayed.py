"""Workflows that are replayed: pages into an index, with a model that is a hash."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stepwell.schemas.documents import Document, Embedded, Vector
from stepwell.streams import (
    NonRetryableError,
    Step,
    Workflow,
    WorkflowEvent,
    Workflows,
    on_event,
    send_on,
)
from stepwell.streams.index.batched import BatchedIndex
from stepwell.streams.index.factory import make_index
from stepwell.streams.settings import Settings

DIMENSION = 16
MODEL = "hash@1"


@dataclass
class Env:
    index: BatchedIndex
    broken: Path
    """While this file exists, fragile steps fail."""
    salt: str = ""


class EmbedPage(Workflow, name="embed-page"):
    """One version of a page."""

    triggers = (on_event("test.page.changed"),)
    env: Env

    async def run(self, event: WorkflowEvent[dict[str, Any]], step: Step) -> str:
        page = await step.do("fetch", self.fetch, event.payload)
        vector = await step.do("embed", self.embed, page.text())
        return await step.do("store", self.store, page, vector)

    async def fetch(self, page: dict[str, Any]) -> Document:
        return Document(**page)

    async def embed(self, text: str) -> Vector:
        raw = hashlib.sha512((text + self.env.salt).encode()).digest()
        vector = np.frombuffer(raw, dtype=np.uint32).astype(np.float32)
        return vector / np.linalg.norm(vector)

    async def store(self, page: Document, vector: Vector) -> str:
        return await self.env.index.upsert_one(Embedded(page, vector, MODEL))


class Ship(Workflow, name="ship"):
    """Waits for a second event, and fails while something is broken."""

    triggers = (
        on_event("test.order.made"),
        send_on(
            "test.order.paid",
            instance_id=lambda event: event.data["instance"],
            type="paid",
        ),
    )
    env: Env

    async def run(self, event: WorkflowEvent[dict[str, Any]], step: Step) -> int:
        first = await step.do("reserve", self.reserve, event.payload)
        if event.payload.get("paid_later"):
            first += (await step.wait_for_event("payment", type="paid")).payload["amount"]
        return first + await step.do("ship", self.ship)

    async def reserve(self, order: dict[str, Any]) -> int:
        return order["amount"]

    async def ship(self) -> int:
        if self.env.broken.exists():
            raise NonRetryableError("the van is broken")
        return 1


@asynccontextmanager
async def workflows(settings: Settings, salt: str = "") -> AsyncIterator[Workflows]:
    index = make_index(settings.index.url, settings.index.collection, DIMENSION)
    await index.open()
    batched = BatchedIndex(index)
    env = Env(batched, Path("broken"), salt)
    try:
        yield Workflows([(EmbedPage, env), (Ship, env)])
    finally:
        await batched.close()
        await index.close()


def changed(settings: Settings) -> Any:
    """The same code, but for the model."""
    return workflows(settings, "another model")
