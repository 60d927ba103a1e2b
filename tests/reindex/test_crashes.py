"""A worker that dies at any single write of a re-index: every document ends as it would have."""

from dataclasses import replace

import pytest

from stepwell.streams.testing import WorkflowTest, crash_everywhere
from stepwell.streams.workflows import reindex
from stepwell.streams.workflows.reindex import ReindexDocuments
from tests.reindex.conftest import ReindexWorld, document


async def test_a_worker_that_dies_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reindex, "DOCUMENTS_PER_BATCH_MAX", 2)
    monkeypatch.setattr(reindex, "BATCHES_PER_RUN", 3)
    worlds: list[ReindexWorld] = []

    def make() -> WorkflowTest:
        worlds.append(ReindexWorld())
        return WorkflowTest(ReindexDocuments, env=worlds[-1].bindings())

    async def scenario(test: WorkflowTest) -> tuple[object, tuple[object, ...]]:
        world = worlds[-1]
        everything = await world.put(*(document(n) for n in range(6)))
        before = await test.start(ReindexDocuments, everything)
        await before.result()
        fewer = await world.put(*(document(n) for n in range(0, 6, 2)), b"", document(20))
        handle = await test.start(ReindexDocuments, replace(fewer, prune=True))
        return await handle.result(), (await world.index.scan()).found

    done, found = await crash_everywhere(make, scenario)
    assert (done.stored, done.pruned, len(found)) == (4, 3, 4)
    assert len(worlds) > 20
