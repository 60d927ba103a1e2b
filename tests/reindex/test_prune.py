"""What a source does not have any more is removed, if that is asked for, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from stepwell.schemas.documents import Document, Embedded
from stepwell.streams.workflows import reindex, reindex_prune
from stepwell.streams.workflows.reindex_batch import Outcomes
from tests.reindex.conftest import ReindexWorld, document


async def keys(world: ReindexWorld) -> list[str]:
    """What the index holds."""
    return [entry.key for entry in (await world.index.scan()).found]


async def pruned(world: ReindexWorld, *lines: dict[str, Any] | bytes) -> Outcomes:
    """A re-index of these lines that prunes."""
    return await world.run(replace(await world.put(*lines), prune=True))


async def test_without_being_asked_nothing_is_removed(world: ReindexWorld):
    await world.run(await world.put(document(1), document(2)))
    done = await world.run(await world.put(document(1)))
    assert done.pruned == 0
    assert await keys(world) == ["d1", "d2"]


async def test_what_has_vanished_is_removed(world: ReindexWorld):
    await world.run(await world.put(document(1), document(2), document(3)))
    done = await pruned(world, document(1), document(3))
    assert (done.stored, done.pruned) == (2, 1)
    assert await keys(world) == ["d1", "d3"]


async def test_documents_of_other_types_and_repositories_stay(world: ReindexWorld):
    await world.run(
        await world.put(
            document(1, repo="acme/site"),
            document(2, repo="acme/site"),
            document(3, repo="acme/app"),
            document(4, repo="acme/site", type="milestone"),
        )
    )
    done = await pruned(world, document(1, repo="acme/site"))
    assert done.pruned == 1
    assert await keys(world) == ["d1", "d3", "d4"]


async def test_a_source_without_documents_removes_nothing(world: ReindexWorld):
    await world.run(await world.put(document(1)))
    assert (await pruned(world, b"")).pruned == 0
    assert await keys(world) == ["d1"]


async def test_a_line_that_could_be_any_document_protects_all(world: ReindexWorld):
    await world.run(await world.put(document(1), document(2)))
    done = await pruned(world, document(1), b"{")
    assert (done.pruned, done.failed) == (0, 1)
    assert "nothing was pruned: what 1 lines" in done.note
    assert await keys(world) == ["d1", "d2"]


async def test_a_document_that_is_refused_or_has_no_text_is_not_gone(world: ReindexWorld):
    await world.run(await world.put(document(1), document(2)))
    done = await pruned(world, document(1, title="", body=""), document(2))
    assert (done.skipped, done.pruned) == (1, 0)
    assert await keys(world) == ["d1", "d2"]


async def test_many_batches_runs_and_pages_are_one_list(
    world: ReindexWorld, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reindex, "DOCUMENTS_PER_BATCH_MAX", 2)
    monkeypatch.setattr(reindex, "BATCHES_PER_RUN", 2)
    monkeypatch.setattr(reindex_prune, "KEYS_PER_PAGE", 3)
    await world.run(await world.put(*(document(n) for n in range(20))))
    done = await pruned(world, *(document(n) for n in range(0, 20, 2)))
    assert (done.stored, done.pruned) == (10, 10)
    assert len(await keys(world)) == 10


async def test_what_is_stored_anew_meanwhile_stays(world: ReindexWorld):
    await world.run(await world.put(document(1), document(2)))
    listed = await world.index.scan()

    async def scan(*, after: str | None = None, limit: int = 1000) -> Any:
        event = Document("d2", "document", "", 0, "New", "", "", "", "2027-01-01T00:00:00Z")
        await world.index.upsert([Embedded(event, await world.embedder.embed("New"), "words")])
        return listed

    world.index.scan = scan  # type: ignore[method-assign]
    assert (await pruned(world, document(1))).pruned == 0
    assert await world.index.count() == 2
