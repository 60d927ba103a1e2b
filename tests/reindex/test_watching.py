"""How far a re-index is, seen from outside while it runs."""

from dataclasses import replace

import pytest

from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.operator.reindexing import MISSES_MAX, view_of, watch
from stepwell.streams.testing import WorkflowTest
from stepwell.streams.views import InstanceDetails, ReindexView
from stepwell.streams.workflows import reindex
from stepwell.streams.workflows.reindex import ReindexDocuments
from tests.reindex.conftest import ReindexWorld, document


async def details_of(world: ReindexWorld, *, prune: bool = False) -> InstanceDetails:
    """A re-index of seven lines, as it is in the end."""
    task = replace(await world.put(*(document(n) for n in range(6)), b"bad"), prune=prune)
    async with WorkflowTest(ReindexDocuments, env=world.bindings()) as test:
        handle = await test.start(ReindexDocuments, task)
        await handle.result()
        return handle.details


def still_running(details: InstanceDetails, steps: int) -> InstanceDetails:
    """As it was after so many steps of its last run."""
    summary = replace(details.summary, status="running")
    return replace(details, summary=summary, output=None, steps=details.steps[:steps])


async def test_what_is_done_is_that_of_runs_before_and_of_steps_of_this_one(
    world: ReindexWorld, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reindex, "DOCUMENTS_PER_BATCH_MAX", 1)
    monkeypatch.setattr(reindex, "BATCHES_PER_RUN", 4)
    details = await details_of(world)
    assert [step.name for step in details.steps] == ["cut"] + ["index-batch"] * 3
    views = [view_of(still_running(details, steps)) for steps in (0, 1, 2, 3, 4)]
    assert [view.done for view in views] == [4, 4, 5, 6, 7]
    assert (views[-1].stored, views[-1].failed) == (6, 1)
    assert views[-1].failures == view_of(details).failures
    assert views[0].collection == "Documents"


async def test_it_is_reported_until_it_ends_whatever_the_broker_does(world: ReindexWorld):
    details = await details_of(world)
    answers = [still_running(details, 1), None, None, still_running(details, 3), None, details]
    seen: list[ReindexView] = []

    async def look() -> InstanceDetails:
        answer = answers.pop(0)
        if answer is None:
            raise BrokerUnavailable("away")
        return answer

    end = await watch(look, seen.append, every_s=0)
    assert [view.done for view in seen] == [0, 7, 7]
    assert (end.status, end.stored) == ("complete", 6)


async def test_a_broker_that_was_never_there_is_an_error():
    async def look() -> InstanceDetails:
        raise BrokerUnavailable("away")

    with pytest.raises(BrokerUnavailable):
        await watch(look, lambda _: None, every_s=0)


async def test_a_broker_that_stays_away_is_an_error(world: ReindexWorld):
    answers = [still_running(await details_of(world), 1)]
    misses = 0

    async def look() -> InstanceDetails:
        nonlocal misses
        if answers:
            return answers.pop()
        misses += 1
        raise BrokerUnavailable("away")

    with pytest.raises(BrokerUnavailable):
        await watch(look, lambda _: None, every_s=0)
    assert misses == MISSES_MAX + 1
