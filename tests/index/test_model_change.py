"""Another model without a pause: what operator, workers and searches see, on a SQLite index."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from stepwell.schemas.documents import Document, Embedded, Embedding, SearchFilters
from stepwell.schemas.github import comment_key
from stepwell.streams.collections import (
    create_collection,
    drop_collection,
    list_collections,
    open_targets,
    switch_collection,
)
from stepwell.streams.default_workflows import embed_content
from stepwell.streams.examples.embed_content import Bindings, ContentChanged, EmbedContent, store
from stepwell.streams.index.errors import (
    CollectionBehind,
    CollectionExists,
    CollectionInUse,
    ModelMissing,
    UnknownCollection,
    WrongModel,
)
from stepwell.streams.operator.queries import search
from stepwell.streams.ports import SearchMode
from stepwell.streams.settings import ContentSettings, IndexSettings, ModelSettings, Settings
from stepwell.streams.testing import WorkflowTest
from tests.models.tiny import pulled

ISSUE = Document(
    key="github:acme/site#42",
    type="issue",
    repo="acme/site",
    number=42,
    title="hello world",
    body="",
    state="open",
    url="https://github.com/acme/site/issues/42",
    updated_at="2026-01-02T03:04:05Z",
)
OTHER = replace(ISSUE, key="github:acme/site#43", number=43, title="world")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models in a cache of their own."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("STEPWELL_CACHE", str(cache))
    pulled(cache, "small", 16)
    pulled(cache, "large", 32)
    return cache


@pytest.fixture
def settings(cache: Path, tmp_path: Path) -> Settings:
    return Settings(
        index=IndexSettings(url=f"sqlite://{tmp_path}/index.db", collection="Documents"),
        model=ModelSettings(id="small", threads=1),
    )


@pytest.fixture
async def worker(settings: Settings) -> AsyncIterator[Bindings]:
    """What the live workflow of a running worker writes through."""
    async with embed_content(settings) as workflows:
        workflow = workflows.create(EmbedContent.name)
        assert workflow is not None
        yield workflow.env


async def carried(worker: Bindings, document: Document, *, removed: bool = False) -> str:
    async with WorkflowTest(EmbedContent, env=worker) as test:
        handle = await test.start(EmbedContent, ContentChanged(document, removed))
        return (await handle.result()).outcome


async def found(settings: Settings, mode: SearchMode = SearchMode.SEMANTIC) -> dict[str, str]:
    """Title and size of the model, by what is found."""
    hits = await search(settings, "hello", SearchFilters(), 10, mode)
    return {hit.document.title: hit.model for hit in hits}


async def listed(settings: Settings) -> list[tuple[str, int, int, bool]]:
    return [
        (one.name, one.dimension, one.documents, one.current)
        for one in await list_collections(settings)
    ]


async def test_searches_change_over_to_a_model_and_nothing_is_missed(
    settings: Settings, worker: Bindings
):
    await carried(worker, OTHER)
    before = await found(settings)
    made = await create_collection(settings, "Next", "large")
    assert (made.documents, made.current, made.dimension) == (0, False, 32)
    assert await carried(worker, ISSUE) == "stored"
    assert await listed(settings) == [("Documents", 16, 2, True), ("Next", 32, 1, False)]
    assert set((await found(settings)).values()) == set(before.values())

    async with open_targets(settings) as targets:  # as a re-index does
        target = await targets.find("Next")
        vector = await target.embedder.embed(OTHER.text())
        await target.index.upsert([Embedded(OTHER, vector, target.collection.model_id)])
    await switch_collection(settings, "Next")
    for mode in SearchMode:
        after = await found(settings, mode)
        assert set(after) >= {"hello world"}
        assert set(after.values()) == {made.model}
    newer = replace(ISSUE, title="hello again", updated_at="2026-01-03T00:00:00Z")
    assert await carried(worker, newer) == "stored"
    assert set(await found(settings)) == {"hello again", "world"}
    assert await carried(worker, newer, removed=True) == "stored"
    assert await listed(settings) == [("Next", 32, 1, True), ("Documents", 16, 1, False)]

    gone = await drop_collection(settings, "Documents")
    assert gone.documents == 1
    assert await carried(worker, replace(ISSUE, updated_at="2026-01-04T00:00:00Z")) == "stored"
    assert await listed(settings) == [("Next", 32, 2, True)]


async def test_a_vector_is_never_stored_as_one_of_another_model(
    settings: Settings, worker: Bindings
):
    """An instance that embedded before a switch, and stores after it, on another worker."""
    embedding = Embedding(await worker.embedder.embed(ISSUE.text()), worker.embedder.model_id)
    await create_collection(settings, "Next", "large")
    await switch_collection(settings, "Next")
    await drop_collection(settings, "Documents")
    async with embed_content(settings) as workflows:
        restarted = workflows.create(EmbedContent.name).env
        assert restarted.embedder.model_id != embedding.model
        await store(restarted.index, Embedded(ISSUE, embedding.vector, embedding.model))
        assert await found(settings) == {"hello world": restarted.embedder.model_id}


async def test_with_an_issue_its_comments_leave_every_collection(settings: Settings):
    wanted = replace(settings, content=ContentSettings(comments=True))
    comments = [
        replace(
            ISSUE,
            key=comment_key("acme/site", number, 7),
            type="comment",
            number=number,
            updated_at="2026-01-09T00:00:00Z",
        )
        for number in (42, 420)
    ]
    async with embed_content(wanted) as workflows:
        worker = workflows.create(EmbedContent.name).env
        await create_collection(wanted, "Next", "large")
        for document in (ISSUE, *comments):
            await carried(worker, document)
        assert await carried(worker, ISSUE, removed=True) == "stored"
        left = await worker.stored_under("github:acme/site#")
    assert [one.key for one in left] == [comments[1].key]
    assert await listed(wanted) == [("Documents", 16, 1, True), ("Next", 32, 1, False)]


async def test_an_incomplete_collection_is_not_switched_to_by_mistake(
    settings: Settings, worker: Bindings
):
    await carried(worker, ISSUE)
    await create_collection(settings, "Next", "large")
    with pytest.raises(CollectionBehind, match="0 documents, 'Documents' 1"):
        await switch_collection(settings, "Next")
    switched = await switch_collection(settings, "Next", incomplete=True)
    assert (switched.current, await found(settings)) == (True, {})


async def test_what_cannot_be_done_is_refused_and_changes_nothing(settings: Settings):
    await create_collection(settings, "Next", "large")
    before = await listed(settings)
    with pytest.raises(CollectionExists):
        await create_collection(settings, "NEXT", "small")
    with pytest.raises(UnknownCollection, match="only Documents, Next"):
        await switch_collection(settings, "Nowhere")
    with pytest.raises(CollectionInUse):
        await drop_collection(settings, "Documents")
    with pytest.raises(ModelMissing, match="stepwell model pull"):
        await create_collection(settings, "More", "unheard-of")
    assert await listed(settings) == before


async def test_a_search_with_another_revision_of_the_model_is_refused(
    settings: Settings, worker: Bindings, cache: Path, tmp_path: Path
):
    await carried(worker, ISSUE)
    elsewhere = tmp_path / "elsewhere"
    pulled(elsewhere, "small", 16, seed=2)
    other = replace(settings, model=ModelSettings(id="small", dir=elsewhere / "models" / "small"))
    with pytest.raises(WrongModel, match=r"made with tiny@.*, here is tiny@"):
        await search(other, "hello", SearchFilters(), 10)
    assert await search(other, "hello", SearchFilters(), 10, SearchMode.KEYWORD) != []


async def test_events_wait_while_the_model_of_a_new_collection_is_missing_here(
    settings: Settings, worker: Bindings, cache: Path
):
    await create_collection(settings, "Next", "large")
    (cache / "models" / "large").rename(cache / "away")
    embedded = Embedded(ISSUE, await worker.embedder.embed("hello"), worker.embedder.model_id)
    with pytest.raises(ModelMissing, match="'large', which a collection of the index needs"):
        await store(worker.index, embedded)
    assert set(await found(settings)) == {"hello world"}
    (cache / "away").rename(cache / "models" / "large")
    await store(worker.index, embedded)
    assert await listed(settings) == [("Documents", 16, 1, True), ("Next", 32, 1, False)]
