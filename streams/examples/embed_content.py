"""Embed an issue, milestone or comment and make it searchable; remove it when it is gone.

fetch-content -> generate-embedding -> upsert-vector
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol

from stepwell.schemas.documents import Document, Embedded, Embedding, Removal
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.github import document_of, is_removal
from stepwell.schemas.mapping import DocumentMapping
from stepwell.streams.bindings.patience import COURTEOUS
from stepwell.streams.content.source import ContentSource, PayloadSource
from stepwell.streams.engine.errors import NonRetryableError
from stepwell.streams.engine.retry import Retries
from stepwell.streams.engine.triggers import Trigger, on_event
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent
from stepwell.streams.index.errors import RefusedByIndex
from stepwell.streams.ports import Embedder, WriteStatus
from stepwell.streams.ports import Stored as InIndex

StoredUnder = Callable[[str], Awaitable[list[InIndex]]]

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
    source: ContentSource = field(default_factory=PayloadSource)
    stored_under: StoredUnder | None = None
    """What the index holds under keys that begin so; where comments are documents too."""


def content_changed(event: CloudEvent) -> dict[str, Any]:
    """The parameters of an event; raises `EventRejected` when its data is no item."""
    return asdict(ContentChanged(document_of(event.data), is_removal(event.type)))


async def store(index: Index, embedded: Embedded) -> Stored:
    """Store a document with its vector; what the index refuses is not tried again."""
    try:
        return Stored(embedded.document.key, await index.upsert_one(embedded))
    except RefusedByIndex as error:
        raise NonRetryableError(str(error)) from error


async def remove(index: Index, removal: Removal) -> Stored:
    """Remove a document; what the index refuses is not tried again."""
    try:
        return Stored(removal.key, await index.remove_one(removal))
    except RefusedByIndex as error:
        raise NonRetryableError(str(error)) from error


class EmbedContent(Workflow, name="embed-content"):
    """One issue, milestone or comment, from its event to the index."""

    triggers: ClassVar[tuple[Trigger, ...]] = (
        on_event(
            "com.github.issues.*",
            "com.github.milestone.*",
            "com.github.issue_comment.*",
            params=content_changed,
        ),
    )
    env: Bindings

    async def run(self, event: WorkflowEvent[ContentChanged], step: Step) -> Stored:
        """Carry one change to the index."""
        content = None
        if not event.payload.removed:
            content = await step.do(
                "fetch-content", self.fetch_content, event.payload, retries=COURTEOUS
            )
        if content is None:
            return await step.do("delete-vector", self.delete, event.payload, retries=PATIENT)
        text = content.text()
        if not text:
            await step.do("delete-vector", self.delete, event.payload, retries=PATIENT)
            return Stored(content.key, "nothing to find: no text")
        embedding = await step.do("generate-embedding", self.embed, text)
        return await step.do("upsert-vector", self.upsert, content, embedding, retries=PATIENT)

    async def fetch_content(self, changed: ContentChanged) -> Document | None:
        """The content as it is now; None when it is gone."""
        return await self.env.source.fetch(changed.document)

    async def embed(self, text: str) -> Embedding:
        """The vector of the text; one that has none is not tried again."""
        embedder = self.env.embedder
        try:
            return Embedding(await embedder.embed(text), embedder.model_id)
        except ValueError as error:
            raise NonRetryableError(str(error)) from error

    async def upsert(self, content: Document, embedding: Embedding) -> Stored:
        """Store the document with its vector."""
        return await store(self.env.index, Embedded(content, embedding.vector, embedding.model))

    async def delete(self, changed: ContentChanged) -> Stored:
        """Remove the document, and with an issue its comments: nobody tells of them."""
        document = changed.document
        if self.env.stored_under is not None and document.type == "issue":
            for one in await self.env.stored_under(f"{document.key}/"):
                await remove(self.env.index, Removal(one.key, one.updated_at))
        return await remove(self.env.index, Removal(document.key, document.updated_at))


def embed_documents(mappings: Iterable[DocumentMapping]) -> type[Workflow]:
    """The same workflow for events of other producers, read as these mappings say."""

    class EmbedDocument(EmbedContent, name="embed-document"):
        """One document of a configured event type, from its event to the index."""

        triggers = tuple(
            on_event(mapping.events, params=partial(_mapped, mapping)) for mapping in mappings
        )

    return EmbedDocument


def _mapped(mapping: DocumentMapping, event: CloudEvent) -> dict[str, Any]:
    return asdict(ContentChanged(mapping.document(event), mapping.is_removal(event)))
