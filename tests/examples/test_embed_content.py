"""One issue on its way into the index, and out of it."""

from dataclasses import replace

import pytest

from stepwell.models.errors import BadVector
from stepwell.schemas.documents import Document, Vector
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.mapping import DocumentMapping
from stepwell.streams.bindings.errors import ServiceUnavailable
from stepwell.streams.examples.embed_content import (
    Bindings,
    ContentChanged,
    EmbedContent,
    Stored,
    embed_documents,
)
from stepwell.streams.examples.offline import LocalIndex, for_embed_content
from stepwell.streams.testing import WorkflowTest
from stepwell.streams.testing.errors import DidNotComplete

ISSUE = Document(
    key="github:acme/site#42",
    type="issue",
    repo="acme/site",
    number=42,
    title="Login fails on Safari",
    body="It does.",
    state="open",
    url="https://github.com/acme/site/issues/42",
    updated_at="2026-01-02T03:04:05Z",
)


@pytest.fixture
def world() -> Bindings:
    return for_embed_content()


async def carried(world: Bindings, document: Document, *, removed: bool = False) -> Stored:
    async with WorkflowTest(EmbedContent, env=world) as test:
        handle = await test.start(EmbedContent, ContentChanged(document, removed))
        stored: Stored = await handle.result()
        return stored


async def test_an_issue_is_found_by_its_words(world: Bindings):
    assert await carried(world, ISSUE) == Stored(ISSUE.key, "stored")
    assert isinstance(world.index, LocalIndex)
    (hit,) = await world.index.search(await world.embedder.embed("safari login"), limit=5)
    assert hit.document == ISSUE


class Source:
    """A `ContentSource` that answers with the next of its answers, or raises it."""

    def __init__(self, *answers: Document | Exception | None) -> None:
        self.answers = list(answers)

    async def fetch(self, document: Document) -> Document | None:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_the_document_is_stored_as_its_source_has_it_now(world: Bindings):
    now = replace(ISSUE, title="Login works", updated_at="2026-01-03T00:00:00Z")
    await carried(replace(world, source=Source(now)), ISSUE)
    (hit,) = await world.index.search(await world.embedder.embed("login"), limit=5)
    assert hit.document == now


async def test_an_issue_that_is_gone_at_its_source_is_removed(world: Bindings):
    await carried(world, ISSUE)
    assert await carried(replace(world, source=Source(None)), ISSUE) == Stored(ISSUE.key, "stored")
    assert await world.index.count() == 0


async def test_a_rate_limit_is_waited_for_as_long_as_the_service_says(world: Bindings):
    limited = ServiceUnavailable("api.github.com", "limited", retry_after_ms=3_600_000)
    env = replace(world, source=Source(limited, ServiceUnavailable("api.github.com", "503"), ISSUE))
    async with WorkflowTest(EmbedContent, env=env) as test:
        handle = await test.start(EmbedContent, ContentChanged(ISSUE, removed=False))
        assert await handle.result() == Stored(ISSUE.key, "stored")
        fetched = handle.steps[0]
        assert (fetched.name, fetched.attempts) == ("fetch-content", 3)
        assert fetched.finished_ms - fetched.started_ms >= 3_600_000 + 10_000


async def test_a_document_of_another_producer_is_embedded_as_configured(world: Bindings):
    mapping = DocumentMapping(
        type="product", events="com.example.*", removed="*.deleted", title="/data/name", repo="shop"
    )
    workflow = embed_documents([mapping])
    async with WorkflowTest(workflow, env=world) as test:
        event = CloudEvent(
            id="1",
            source="/shop",
            type="com.example.changed",
            subject="lamp-9",
            data={"name": "A lamp"},
            time="2026-01-02T03:04:05Z",
        )
        for type_, count in (("com.example.changed", 1), ("com.example.deleted", 0)):
            (trigger,) = workflow.triggers
            sent = replace(event, type=type_)
            assert trigger.matches(sent)
            handle = await test.start(workflow, trigger.params(sent))
            assert await handle.result() == Stored("product:lamp-9", "stored")
            assert await world.index.count() == count


async def test_an_older_version_does_not_replace_a_newer_one(world: Bindings):
    older = replace(ISSUE, title="Login", updated_at="2026-01-01T00:00:00Z")
    await carried(world, ISSUE)
    assert await carried(world, older) == Stored(ISSUE.key, "stale")


async def test_an_issue_that_is_removed_is_found_no_more(world: Bindings):
    await carried(world, ISSUE)
    assert await carried(world, ISSUE, removed=True) == Stored(ISSUE.key, "stored")
    assert isinstance(world.index, LocalIndex)
    assert await world.index.count() == 0


async def test_an_issue_that_loses_its_text_is_found_no_more(world: Bindings):
    await carried(world, ISSUE)
    empty = replace(ISSUE, title=" ", body="", updated_at="2026-01-03T00:00:00Z")
    assert await carried(world, empty) == Stored(ISSUE.key, "nothing to find: no text")
    assert await world.index.count() == 0


async def test_what_the_index_refuses_is_not_tried_again(world: Bindings):
    narrow = replace(world, index=LocalIndex(dimension=3))
    async with WorkflowTest(EmbedContent, env=narrow) as test:
        handle = await test.start(EmbedContent, ContentChanged(ISSUE, removed=False))
        await handle.wait_for_status("errored")
        assert handle.error is not None
        assert "dimension 3" in handle.error.message
        assert handle.steps[-1].attempts == 1


class Refusing:
    """An `Embedder` for which no text has a vector."""

    model_id, dimension = "refusing", 3

    async def embed(self, text: str) -> Vector:
        raise BadVector(f"NaN for {text[:5]}")

    async def embed_query(self, text: str) -> Vector:
        return await self.embed(text)


async def test_m6_a_text_whose_vector_is_no_vector_is_not_tried_again(world: Bindings):
    async with WorkflowTest(EmbedContent, env=replace(world, embedder=Refusing())) as test:
        handle = await test.start(EmbedContent, ContentChanged(ISSUE, removed=False))
        with pytest.raises(DidNotComplete, match="must not be stored: NaN for Login"):
            await handle.result()
        assert [(step.name, step.attempts) for step in handle.steps] == [
            ("fetch-content", 1),
            ("generate-embedding", 1),
        ]
    assert await world.index.count() == 0
