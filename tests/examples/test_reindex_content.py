"""A repository being embedded anew, page by page."""

from dataclasses import replace

import pytest

from stepwell.schemas.documents import Embedded
from stepwell.streams.examples.offline import REPO, LocalIndex, for_reindex_content
from stepwell.streams.examples.reindex_content import (
    Bindings,
    Reindex,
    ReindexContent,
    issue_document,
)
from stepwell.streams.testing import WorkflowTest


@pytest.fixture
def world() -> Bindings:
    return for_reindex_content()


async def test_every_issue_of_every_page_is_embedded(world: Bindings):
    assert isinstance(world.index, LocalIndex)
    async with WorkflowTest(ReindexContent, env=world) as test:
        handle = await test.start(ReindexContent, Reindex(REPO, page_size=2))
        assert await handle.result() == {"stored": 3}
    assert await world.index.count() == 3


async def test_what_an_event_has_made_newer_stays(world: Bindings):
    page = (await world.source.fetch(next(iter(world.source.pages)))).json()
    newer = replace(issue_document(REPO, page[0]), updated_at="2027-01-01T00:00:00Z")
    vector = await world.embedder.embed("new")
    await world.index.upsert_one(Embedded(newer, vector, "words"))
    async with WorkflowTest(ReindexContent, env=world) as test:
        handle = await test.start(ReindexContent, Reindex(REPO, page_size=2))
        assert await handle.result() == {"stale": 1, "stored": 2}


async def test_each_page_has_a_history_of_its_own(world: Bindings):
    async with WorkflowTest(ReindexContent, env=world) as test:
        handle = await test.start(ReindexContent, Reindex(REPO, page_size=2))
        await handle.result()
        assert [step.name for step in handle.steps] == ["list-page"]
