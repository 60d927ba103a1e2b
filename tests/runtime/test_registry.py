"""The registry: one workflow of each name, and which trigger is whose."""

from typing import Any

import pytest

from stepwell.schemas.events import CloudEvent
from stepwell.streams import Step, Workflow, WorkflowEvent, Workflows, on_event
from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.engine.triggers import on_cron, on_workflow, send_on


def subject(event: CloudEvent) -> str:
    return event.subject


class Import(Workflow, name="import"):
    triggers = (
        on_event("shop.order.placed"),
        send_on("shop.order.paid", instance_id=subject),
        on_cron("0 7 * * *"),
    )

    async def run(self, event: WorkflowEvent[Any], step: Step) -> None: ...


class Report(Workflow, name="report"):
    triggers = (on_workflow("import", "complete", "errored"),)

    async def run(self, event: WorkflowEvent[Any], step: Step) -> None: ...


WORKFLOWS = Workflows([(Import, None), (Report, "binding")])


def test_each_kind_of_trigger_is_looked_up_apart() -> None:
    assert [(name, trigger.types) for name, trigger in WORKFLOWS.triggers()] == [
        ("import", ("shop.order.placed",))
    ]
    assert [(name, trigger.types) for name, trigger in WORKFLOWS.messages()] == [
        ("import", ("shop.order.paid",))
    ]
    assert len(list(WORKFLOWS.schedules(0))) == 1


def test_followers_are_those_that_wait_for_such_an_end() -> None:
    ends = [("import", "complete"), ("import", "errored"), ("import", "terminated")]
    assert [[*WORKFLOWS.followers(*end)] for end in ends] == [["report"], ["report"], []]
    assert not WORKFLOWS.followers("report", "complete")


def test_a_workflow_gets_its_binding() -> None:
    assert WORKFLOWS.create("report").env == "binding"
    assert WORKFLOWS.create("unknown") is None


def test_a_second_workflow_of_a_name_is_refused_and_that_of_the_schedules_is_taken() -> None:
    class Other(Workflow, name="import"):
        async def run(self, event: WorkflowEvent[Any], step: Step) -> None: ...

    class Mine(Workflow, name="stepwell-schedule"):
        async def run(self, event: WorkflowEvent[Any], step: Step) -> None: ...

    for workflow in (Other, Mine):
        with pytest.raises(InvalidDefinition, match="two workflows are named"):
            Workflows([(Import, None), (workflow, None)])


def test_an_end_that_there_is_not_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="'completed' is not how an instance ends"):
        on_workflow("import", "completed")
