"""A file of documents is carried to the index, and each line of it to one end."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stepwell.models.errors import BadVector
from stepwell.schemas.documents import Document, Embedded, Vector
from stepwell.streams.bindings.embedding import WordEmbedder
from stepwell.streams.blobs import BlobRef
from stepwell.streams.ports import WriteOutcome, WriteStatus
from stepwell.streams.testing import DidNotComplete, WorkflowTest
from stepwell.streams.workflows import reindex
from stepwell.streams.workflows.reindex import Reindex, ReindexDocuments
from stepwell.streams.workflows.reindex_batch import FAILURES_KEPT, OBJECTS_PER_CALL
from tests.reindex.conftest import CountingIndex, ReindexWorld, document


async def stored(world: ReindexWorld, key: str) -> Document:
    """The document of this key, as the index has it."""
    hits = await world.index.search(await world.embedder.embed("title"), limit=1000)
    return next(hit.document for hit in hits if hit.document.key == key)


async def test_every_document_of_a_file_is_stored_some_at_a_time(world: ReindexWorld):
    done = await world.run(await world.put(*(document(n) for n in range(1200))))
    assert (done.stored, done.failed) == (1200, 0)
    assert await world.index.count() == 1200
    assert max(world.index.calls) == OBJECTS_PER_CALL


async def test_a_file_of_more_batches_than_a_run_has_goes_on_in_the_next(
    world: ReindexWorld, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reindex, "DOCUMENTS_PER_BATCH_MAX", 2)
    monkeypatch.setattr(reindex, "BATCHES_PER_RUN", 3)
    task = await world.put(*(document(n) for n in range(19)), b"no document")
    async with WorkflowTest(ReindexDocuments, env=world.bindings()) as test:
        handle = await test.start(ReindexDocuments, task)
        done = await handle.result()
        assert [step.name for step in handle.steps] == ["cut", "index-batch"]
    assert (done.stored, done.failed) == (19, 1)
    assert done.failures[0].document == "line 20"


async def test_the_journal_holds_no_documents(world: ReindexWorld):
    task = await world.put(document(1, body="secret text"))
    async with WorkflowTest(ReindexDocuments, env=world.bindings()) as test:
        handle = await test.start(ReindexDocuments, task)
        await handle.result()
        assert "secret" not in repr(handle.steps)


async def test_bad_lines_are_named_and_the_others_stored(world: ReindexWorld):
    done = await world.run(
        await world.put(document(1), b"{", b"", document(2, labels="bug"), document(3, body=None))
    )
    assert (done.stored, done.failed, done.unread) == (2, 2, 2)
    first, second = done.failures
    assert first.document == "line 2"
    assert first.reason.startswith("not JSON")
    assert (second.document, second.reason) == ("line 4", "labels should be a list of texts")


async def test_failures_are_all_counted_and_some_are_kept(world: ReindexWorld):
    done = await world.run(await world.put(*[b"[]"] * 1000))
    assert done.failed == 1000
    assert len(done.failures) == FAILURES_KEPT


async def test_a_document_without_text_is_skipped(world: ReindexWorld):
    done = await world.run(await world.put(document(1, title=" ", body="")))
    assert (done.stored, done.skipped) == (0, 1)


async def test_what_is_newer_in_the_index_stays(world: ReindexWorld):
    task = await world.put(document(1, updated_at="2026-01-01T00:00:00Z"), document(2))
    await world.run(task)
    old = await stored(world, "d1")
    newer = replace(old, title="Newer", updated_at="2026-05-01T00:00:00Z")
    await world.index.upsert([Embedded(newer, await world.embedder.embed("x"), "words")])
    done = await world.run(task)
    assert (done.stored, done.stale) == (1, 1)
    assert (await stored(world, "d1")).title == "Newer"


async def test_a_document_without_a_time_is_of_the_time_of_the_reindex(world: ReindexWorld):
    await world.run(await world.put(document(1)))
    assert (await stored(world, "d1")).updated_at == "2026-01-01T00:00:00+00:00"


async def test_it_goes_into_the_collection_that_is_named(world: ReindexWorld):
    task = await world.put(document(1))
    assert (await world.run(replace(task, into="Documents"))).stored == 1
    async with WorkflowTest(ReindexDocuments, env=world.bindings()) as test:
        handle = await test.start(ReindexDocuments, replace(task, into="Unknown"))
        with pytest.raises(DidNotComplete, match="Unknown"):
            await handle.result()


class Particular(WordEmbedder):
    """Has no vector for some texts."""

    async def embed_bulk(self, text: str) -> Vector:
        if "NaN" in text:
            raise BadVector("it has NaN or infinite numbers")
        return await super().embed_bulk(text)


async def test_a_document_that_the_model_or_the_index_refuses_fails_alone():
    class Refusing(CountingIndex):
        async def upsert(self, objects: Sequence[Embedded]) -> list[WriteOutcome]:
            outcomes = await super().upsert(objects)
            refused = WriteOutcome(WriteStatus.REFUSED, "too heavy")
            return [
                refused if one.document.key == "d2" else outcome
                for one, outcome in zip(objects, outcomes, strict=True)
            ]

    world = ReindexWorld(embedder=Particular())
    world.index = Refusing(world.embedder.dimension)
    done = await world.run(await world.put(document(1, body="NaN"), document(2), document(3)))
    assert (done.stored, done.failed, done.unread) == (1, 2, 0)
    assert {failure.document for failure in done.failures} == {"d1", "d2"}


async def test_what_the_index_cannot_store_yet_is_tried_again(world: ReindexWorld):
    class Busy(CountingIndex):
        async def upsert(self, objects: Sequence[Embedded]) -> list[WriteOutcome]:
            outcomes = await super().upsert(objects)
            if len(self.calls) == 1:
                outcomes[-1] = WriteOutcome(WriteStatus.RETRY, "overloaded")
            return outcomes

    world.index = Busy(world.embedder.dimension)
    done = await world.run(await world.put(*(document(n) for n in range(3))))
    assert (done.stored, done.failed) == (3, 0)
    assert world.index.calls == [3, 3]


async def test_a_rate_is_kept_without_holding_a_place(world: ReindexWorld):
    task = replace(await world.put(*(document(n) for n in range(100))), rate=10.0)
    async with WorkflowTest(ReindexDocuments, env=world.bindings()) as test:
        handle = await test.start(ReindexDocuments, task)
        await handle.result()
        naps = [step for step in handle.steps if step.name == "slow-down"]
        assert len(naps) == 10
        first, last = naps[0].finished_ms, naps[-1].finished_ms
        assert first is not None
        assert last is not None
        assert last - first >= 9_000


async def test_a_file_that_the_worker_does_not_see_is_not_tried_again(world: ReindexWorld):
    task = Reindex("a file", file=BlobRef("0" * 64, 7))
    async with WorkflowTest(ReindexDocuments, env=world.bindings()) as test:
        handle = await test.start(ReindexDocuments, task)
        with pytest.raises(DidNotComplete, match="same folder"):
            await handle.result()
