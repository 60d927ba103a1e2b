"""Embed a GitHub issue or milestone and make it searchable; remove it when it is gone.

fetch-content -> generate-embedding -> upsert-vector
"""

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from stepwell.schemas.documents import Document, Embedded, Removal, Vector
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.github import document_of, is_removal
from stepwell.streams.engine.errors import NonRetryableError
from stepwell.streams.engine.retry import Retries
from stepwell.streams.engine.triggers import on_event
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent
from stepwell.streams.index.errors import RefusedByIndex
from stepwell.streams.ports import Embedder, WriteStatus

PATIENT = Retries(limit=10, delay="5 seconds", backoff="exponential")
"""Rides out an index that is down for an hour."""


@dataclass(frozen=True, slots=True)
class ContentChanged:
    """The parameters: the document as it is now, and whether it is gone."""

    document: Document
    removed: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """The output: what became of the document in the index."""

    key: str
    outcome: str


class Index(Protocol):
    """The index as one document sees it; writes of many instances meet in batches behind it."""

    async def upsert_one(self, embedded: Embedded) -> WriteStatus:
        """Store the document unless a newer version is there."""
        ...

    async def remove_one(self, removal: Removal) -> WriteStatus:
        """Remove the document unless a newer version is there."""
        ...


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the steps reach the outside world through."""

    embedder: Embedder
    index: Index


def content_changed(event: CloudEvent) -> dict[str, Any]:
    """The parameters of an event; raises `EventRejected` when its data is no item."""
    return asdict(ContentChanged(document_of(event.data), is_removal(event.type)))


async def store(index: Index, embedded: Embedded) -> Stored:
    """Store a document with its vector; what the index refuses is not tried again."""
    try:
        return Stored(embedded.document.key, await index.upsert_one(embedded))
    except RefusedByIndex as error:
        raise NonRetryableError(str(error)) from error


class EmbedContent(Workflow, name="embed-content"):
    """One issue or milestone, from its event to the index."""

    triggers = (on_event("com.github.issues.*", "com.github.milestone.*", params=content_changed),)
    env: Bindings

    async def run(self, event: WorkflowEvent[ContentChanged], step: Step) -> Stored:
        """Carry one change to the index."""
        if event.payload.removed:
            return await step.do("delete-vector", self.delete, event.payload, retries=PATIENT)
        content = await step.do("fetch-content", self.fetch_content, event.payload)
        text = content.text()
        if not text:
            return Stored(content.key, "skipped: no text")
        vector = await step.do("generate-embedding", self.env.embedder.embed, text)
        return await step.do("upsert-vector", self.upsert, content, vector, retries=PATIENT)

    async def fetch_content(self, changed: ContentChanged) -> Document:
        """The content as the event brought it."""
        return changed.document

    async def upsert(self, content: Document, vector: Vector) -> Stored:
        """Store the document with its vector."""
        return await store(self.env.index, Embedded(content, vector, self.env.embedder.model_id))

    async def delete(self, changed: ContentChanged) -> Stored:
        """Remove the document."""
        removal = Removal(changed.document.key, changed.document.updated_at)
        try:
            return Stored(removal.key, await self.env.index.remove_one(removal))
        except RefusedByIndex as error:
            raise NonRetryableError(str(error)) from error
