"""A workflow that is started by events, and fails when they say so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from stepwell.schemas.events import CloudEvent
from stepwell.streams import (
    NonRetryableError,
    Step,
    Workflow,
    WorkflowEvent,
    Workflows,
    on_event,
    send_on,
)
from stepwell.streams.settings import Settings


def params_of(event: CloudEvent) -> Any:
    return {"name": event.data["name"], **event.data}


class Note(Workflow, name="note"):
    triggers = (
        on_event("note.*", params=params_of),
        send_on("sent", instance_id=lambda event: event.data["to"], type="answer"),
    )

    async def run(self, event: WorkflowEvent[dict[str, Any]], step: Step) -> str:
        name = await step.do("read", self.read, event.payload)
        await step.do("embed", self.embed, name)
        if event.payload.get("asks"):
            await step.wait_for_event("answer", type="answer", timeout="1 hour")
        await step.do("store", self.store, event.payload)
        return name

    async def read(self, note: dict[str, Any]) -> str:
        return note["name"]

    async def embed(self, name: str) -> np.ndarray:
        return np.full(3, len(name), dtype=np.float32)

    async def store(self, note: dict[str, Any]) -> None:
        if note.get("fails"):
            raise NonRetryableError("full")


class Digest(Workflow, name="digest"):
    """One for each subject, a while after the last event."""

    triggers = (on_event("note.*", debounce="1 minute"),)

    async def run(self, event: WorkflowEvent[dict[str, Any]], step: Step) -> None:
        """Nothing."""


@asynccontextmanager
async def workflows(_settings: Settings) -> AsyncIterator[Workflows]:
    yield Workflows([(Note, None)])


@asynccontextmanager
async def digests(_settings: Settings) -> AsyncIterator[Workflows]:
    yield Workflows([(Digest, None)])
