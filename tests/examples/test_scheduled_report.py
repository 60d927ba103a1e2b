"""A morning, a report, and the children that count for it."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import pytest

from stepwell.streams.bindings.language import LanguageModel, LocalModel, Question, first_sentence
from stepwell.streams.engine.errors import NonRetryableError
from stepwell.streams.engine.workflow import CronSchedule
from stepwell.streams.examples.offline import SALES_DAY, for_scheduled_report
from stepwell.streams.examples.scheduled_report import (
    Bindings,
    CountSales,
    ReportOrder,
    ScheduledReport,
)
from stepwell.streams.testing import WorkflowTest

ORDER = ReportOrder("sales@example.com", batch_size=2, day=date.fromisoformat(SALES_DAY))


@pytest.fixture
def world() -> Bindings:
    return for_scheduled_report()


@dataclass
class Stuck:
    """Never answers; knows whether somebody stopped waiting for it."""

    cancelled: bool = False

    async def answer(self, question: Question) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled = True
        return question.prompt


async def test_children_count_in_batches_and_the_parent_adds_up(world: Bindings):
    async with WorkflowTest(ScheduledReport, CountSales, env=world) as test:
        handle = await test.start(ScheduledReport, ORDER)
        report = await handle.result()
        assert report.total_cents == 363_950
        assert report.summary == "Best was north 1200.00."
        assert [child.key.workflow for child in handle.children] == ["count-sales"] * 2
    assert world.notifier.texts == ["2026-01-01: 3639.50 in all. Best was north 1200.00."]


async def test_the_model_that_answers_first_is_taken_and_the_other_stopped(world: Bindings):
    slow = Stuck()
    models: dict[str, LanguageModel] = {"slow": slow, "quick": LocalModel(first_sentence)}
    world = replace(world, models=models)
    async with WorkflowTest(ScheduledReport, CountSales, env=world) as test:
        handle = await test.start(ScheduledReport, ORDER)
        report = await handle.result()
        assert report.summarised_by == "quick"
    assert slow.cancelled


async def test_a_model_that_refuses_costs_the_summary_not_the_report(world: Bindings):
    async with WorkflowTest(ScheduledReport, CountSales, env=world) as test:
        test.mock_step_error("ask ours", NonRetryableError("no such key"))
        test.mock_step_error("ask theirs", NonRetryableError("no such key"))
        handle = await test.start(ScheduledReport, ORDER)
        report = await handle.result()
        assert (report.summary, report.total_cents) == ("", 363_950)
    assert world.notifier.texts == ["2026-01-01: 3639.50 in all."]


async def test_a_day_without_sales_is_reported_too(world: Bindings):
    order = replace(ORDER, day=date(2026, 1, 2))
    async with WorkflowTest(ScheduledReport, CountSales, env=world) as test:
        handle = await test.start(ScheduledReport, order)
        report = await handle.result()
        assert report.total_cents == 0


async def test_the_schedule_asks_for_the_day_before(world: Bindings):
    (trigger,) = ScheduledReport.triggers
    morning = CronSchedule(trigger.cron, datetime(2026, 1, 2, 6, tzinfo=UTC))
    async with WorkflowTest(ScheduledReport, CountSales, env=world) as test:
        handle = await test.start(ScheduledReport, trigger.params, schedule=morning)
        report = await handle.result()
        assert (report.day, report.total_cents) == (date(2026, 1, 1), 363_950)


async def test_a_worker_that_dies_while_children_count_changes_nothing(world: Bindings):
    async with WorkflowTest(ScheduledReport, CountSales, env=world) as test:
        handle = await test.start(ScheduledReport, ORDER)
        await handle.wait_for_step_result("list-regions")
        test.crash_at(3)
        report = await handle.result()
        assert report.total_cents == 363_950
        assert len(test.instances(CountSales)) == 2
    assert len(world.notifier.texts) == 1
