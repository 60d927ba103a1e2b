"""Instances that start others: children, followers, continuations, schedules."""

from datetime import UTC, datetime

from stepwell.streams import Step, Workflow, WorkflowEvent
from stepwell.streams.engine.triggers import on_cron, on_workflow
from stepwell.streams.engine.workflow import CronSchedule
from stepwell.streams.testing import WorkflowTest


class Square(Workflow):
    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        await step.sleep("think", "1 day")
        return await step.do("square", self.square, event.payload)

    async def square(self, number: int) -> int:
        return number * number


class Sum(Workflow):
    async def run(self, event: WorkflowEvent[list[int]], step: Step) -> int:
        return sum([await step.child("square", Square, number) for number in event.payload])


class Report(Workflow):
    triggers = (on_workflow("sum"),)

    async def run(self, event: WorkflowEvent[dict[str, object]], step: Step) -> str:
        return f"{event.payload['instance']} gave {event.payload['output']}"


class CountDown(Workflow):
    async def run(self, event: WorkflowEvent[int], step: Step) -> str:
        if event.payload:
            step.continue_as_new(event.payload - 1)
        return "lift-off"


class Morning(Workflow):
    triggers = (on_cron("0 7 * * *"),)

    async def run(self, event: WorkflowEvent[None], step: Step) -> str:
        return f"{event.schedule.scheduled_time:%H:%M}" if event.schedule else "by hand"


async def test_children_run_in_the_same_time():
    async with WorkflowTest(Sum, Square) as test:
        handle = await test.start(Sum, [1, 2, 3])
        assert await handle.result() == 14
        assert [child.output for child in handle.children] == [1, 4, 9]
        assert test.now == datetime(2026, 1, 4, tzinfo=UTC)


async def test_children_can_be_mocked():
    async with WorkflowTest(Sum, Square) as test:
        test.introspect(Square).disable_sleeps()
        test.introspect(Square).mock_step_result("square", 10)
        assert await (await test.start(Sum, [1, 2])).result() == 20
        assert test.now == datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_workflow_that_follows_another_is_started():
    async with WorkflowTest(Sum, Square, Report) as test:
        handle = await test.start(Sum, [2], id="sum")
        await handle.result()
        await test.run_until_idle()
        assert await test.get(Report, "sum").result() == "sum/sum gave 4"


async def test_the_result_is_that_of_the_last_run():
    async with WorkflowTest(CountDown) as test:
        assert await (await test.start(CountDown, 20)).result() == "lift-off"


async def test_an_instance_may_be_started_as_if_by_a_schedule():
    schedule = CronSchedule("0 7 * * *", datetime(2026, 1, 1, 7, tzinfo=UTC))
    async with WorkflowTest(Morning) as test:
        assert await (await test.start(Morning, schedule=schedule)).result() == "07:00"
        assert await (await test.start(Morning)).result() == "by hand"


async def test_cron_triggers_start_instances_in_virtual_time():
    async with WorkflowTest(Morning) as test:
        test.start_schedules()
        await test.advance("3 days")
        assert [handle.output for handle in test.instances(Morning)] == ["07:00"] * 3
