"""An invention, held against what is known."""

import json
from dataclasses import replace

import pytest

from stepwell.streams.bindings.errors import WrongAnswer
from stepwell.streams.bindings.language import LocalModel
from stepwell.streams.examples.invention_analysis import (
    Bindings,
    Claims,
    Invention,
    InventionAnalysis,
)
from stepwell.streams.examples.offline import for_invention_analysis
from stepwell.streams.testing import WorkflowTest

TOAST = Invention("Self-buttering toast", "Bread with a core of butter. It melts when toasted.")


@pytest.fixture
def world() -> Bindings:
    return for_invention_analysis()


async def test_the_report_names_claims_and_novelty(world: Bindings):
    async with WorkflowTest(InventionAnalysis, env=world) as test:
        handle = await test.start(InventionAnalysis, TOAST)
        found = await handle.result()
        assert found.claims == ("Bread with a core of butter.",)
        assert found.novelty.score == 7
        assert "Novelty 7 of 10" in found.report
        assert found.notified
    assert world.notifier.texts == [found.report]


async def test_a_source_that_fails_is_named_and_the_others_count(world: Bindings):
    async with WorkflowTest(InventionAnalysis, env=world) as test:
        handle = await test.start(InventionAnalysis, TOAST)
        found = await handle.result()
        (failure,) = found.failures
        assert "search-literature patents" in failure
        assert "404" in failure


async def test_without_a_notifier_nobody_is_notified(world: Bindings):
    async with WorkflowTest(InventionAnalysis, env=replace(world, notifier=None)) as test:
        handle = await test.start(InventionAnalysis, TOAST)
        found = await handle.result()
        assert not found.notified
        assert "notify" not in [step.name for step in handle.steps]


async def test_a_notification_that_fails_costs_nothing_else(world: Bindings):
    async with WorkflowTest(InventionAnalysis, env=world) as test:
        test.mock_step_error("notify", RuntimeError("hook is gone"))
        handle = await test.start(InventionAnalysis, TOAST)
        found = await handle.result()
        assert not found.notified
        assert any("notify" in failure for failure in found.failures)
        assert found.report


async def test_every_part_is_timed(world: Bindings):
    async with WorkflowTest(InventionAnalysis, env=world) as test:
        handle = await test.start(InventionAnalysis, TOAST)
        found = await handle.result()
        seconds = found.seconds
        assert list(seconds) == ["claims", "literature", "novelty", "report", "notification"]
        assert all(took >= 0 for took in seconds.values())


@pytest.mark.parametrize("said", ["seven", json.dumps({"score": 11, "reasons": "wow"})])
async def test_an_assessment_that_breaks_the_schema_is_not_taken(world: Bindings, said: str):
    sloppy = replace(world, language=LocalModel(lambda _: said))
    with pytest.raises(WrongAnswer, match="Novelty"):
        await InventionAnalysis(sloppy).assess(Claims(("butter",)), {})
