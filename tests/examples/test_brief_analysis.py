"""A brief, its sources, and the summary."""

from dataclasses import replace

import pytest

from stepwell.streams.bindings.sources import LocalSource
from stepwell.streams.errors import InstanceExists
from stepwell.streams.examples.brief_analysis import SIDES, Brief, BriefAnalysis, brief_id
from stepwell.streams.examples.offline import BRIEF, for_brief_analysis
from stepwell.streams.testing import WorkflowTest

SHOP = Brief("A shop for bakers", tuple(BRIEF))


async def test_the_summary_comes_after_five_minutes():
    async with WorkflowTest(BriefAnalysis, env=for_brief_analysis()) as test:
        handle = await test.start(BriefAnalysis, SHOP, id=brief_id(SHOP))
        await handle.wait_for_status("waiting")
        await test.advance("4 minutes")
        assert handle.status == "waiting"
        await test.advance("1 minute")
        assert handle.status == "complete"
        analysis = await handle.result()
        assert analysis.summary == "audience: Bakers order online."
        assert list(analysis.findings) == list(SIDES)


async def test_sources_and_sides_are_worked_on_at_the_same_time():
    async with WorkflowTest(BriefAnalysis, env=for_brief_analysis()) as test:
        handle = await test.start(BriefAnalysis, SHOP)
        await handle.wait_for_status("waiting")
        names = [step.name for step in handle.steps]
        assert names[:2] == ["fetch", "fetch"]
        assert sorted(names[2:5]) == sorted(f"analyse-{side}" for side in SIDES)


async def test_a_source_that_is_gone_ends_the_analysis():
    world = replace(for_brief_analysis(), source=LocalSource({}))
    async with WorkflowTest(BriefAnalysis, env=world) as test:
        handle = await test.start(BriefAnalysis, SHOP)
        await handle.wait_for_status("errored")
        assert "404" in handle.error.message


async def test_asking_again_for_the_same_brief_finds_the_same_instance():
    async with WorkflowTest(BriefAnalysis, env=for_brief_analysis()) as test:
        first = await test.start(BriefAnalysis, SHOP, id=brief_id(SHOP))
        await first.wait_for_status("waiting")
        same = Brief(SHOP.title, SHOP.urls)
        with pytest.raises(InstanceExists):
            await test.start(BriefAnalysis, same, id=brief_id(same))
        assert test.get(BriefAnalysis, brief_id(same)).status == "waiting"


def test_the_id_changes_with_the_brief():
    ids = {
        brief_id(SHOP),
        brief_id(replace(SHOP, title="A shop for cooks")),
        brief_id(replace(SHOP, urls=())),
    }
    assert len(ids) == 3


async def test_its_status_can_be_polled_until_it_is_complete():
    async with WorkflowTest(BriefAnalysis, env=for_brief_analysis(), auto_advance=False) as test:
        handle = await test.start(BriefAnalysis, SHOP, id=brief_id(SHOP))
        seen = []
        while handle.status != "complete":
            await test.advance("1 minute")
            seen.append(handle.status)
        assert seen == ["waiting"] * 4 + ["complete"]
