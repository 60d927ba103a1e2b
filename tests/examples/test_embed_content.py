"""One issue on its way into the index, and out of it."""

from dataclasses import replace

import pytest

from stepwell.schemas.documents import Document
from stepwell.streams.examples.embed_content import (
    Bindings,
    ContentChanged,
    EmbedContent,
    Stored,
)
from stepwell.streams.examples.offline import LocalIndex, for_embed_content
from stepwell.streams.testing import WorkflowTest

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


async def test_an_older_version_does_not_replace_a_newer_one(world: Bindings):
    older = replace(ISSUE, title="Login", updated_at="2026-01-01T00:00:00Z")
    await carried(world, ISSUE)
    assert await carried(world, older) == Stored(ISSUE.key, "stale")


async def test_an_issue_that_is_removed_is_found_no_more(world: Bindings):
    await carried(world, ISSUE)
    assert await carried(world, ISSUE, removed=True) == Stored(ISSUE.key, "stored")
    assert isinstance(world.index, LocalIndex)
    assert await world.index.count() == 0


async def test_an_issue_without_text_is_skipped(world: Bindings):
    empty = replace(ISSUE, title=" ", body="")
    assert await carried(world, empty) == Stored(ISSUE.key, "skipped: no text")


async def test_what_the_index_refuses_is_not_tried_again(world: Bindings):
    narrow = replace(world, index=LocalIndex(dimension=3))
    async with WorkflowTest(EmbedContent, env=narrow) as test:
        handle = await test.start(EmbedContent, ContentChanged(ISSUE, removed=False))
        await handle.wait_for_status("errored")
        assert handle.error is not None
        assert "dimension 3" in handle.error.message
        assert handle.steps[-1].attempts == 1
