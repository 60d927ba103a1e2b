"""Steps in sequence: asked for one after the other, their recorded results seen by the code."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pytest

from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams import StepError, Workflow, WorkflowEvent
from stepwell.streams.engine.effects import Complete
from stepwell.streams.engine.execution import Execution
from stepwell.streams.engine.run import Run
from tests.engine.scenario import Scenario


def body(*_args: object) -> None: ...


async def test_the_next_step_is_asked_for_when_the_record_of_the_last_one_arrives() -> None:
    async def run(_event, step):
        first = await step.do("first", body)
        second = await step.do("second", body, first)
        return first + second

    story = Scenario(run)
    assert story.asked == ["first-1"]
    assert story.succeed("first", 20).asked == ["second-1"]
    assert story.succeed("second", 22).output == 42


async def test_a_step_gets_the_arguments_of_its_call() -> None:
    async def run(_event, step):
        await step.do("greet", body, "hello", 2)

    (effect,) = Scenario(run).effects
    assert (effect.function, effect.args, effect.attempt) == (body, ("hello", 2), 1)


async def test_steps_of_one_name_are_numbered_in_call_order() -> None:
    async def run(_event, step):
        return [await step.do("page", body, number) for number in range(3)]

    story = Scenario(run)
    for occurrence in (1, 2, 3):
        assert story.asked == [f"page-{occurrence}"]
        story.succeed("page", occurrence * 10, occurrence)
    assert story.output == [10, 20, 30]


async def test_a_workflow_without_steps_completes_at_once() -> None:
    async def run(event, _step):
        return event.payload

    assert Scenario(run, params={"a": 1}).output == {"a": 1}


async def test_the_event_says_what_started_the_instance() -> None:
    async def run(event, _step):
        return [event.instance_id, event.workflow_name, event.timestamp.isoformat()]

    assert Scenario(run).output == ["one", "told", datetime.fromtimestamp(1, UTC).isoformat()]


async def test_a_failed_step_raises_in_the_code_which_may_go_on() -> None:
    async def run(_event, step):
        try:
            await step.do("pay", body)
        except StepError as error:
            return [error.step, error.error_name, error.error_message]

    story = Scenario(run).fail("pay", ErrorInfo("CardDeclined", "no funds"))
    assert story.output == ["pay", "CardDeclined", "no funds"]


async def test_an_uncaught_step_failure_ends_the_instance_under_the_original_name() -> None:
    async def run(_event, step):
        await step.do("pay", body)

    error = Scenario(run).fail("pay", ErrorInfo("CardDeclined", "no funds")).error
    assert error == ErrorInfo("CardDeclined", "step 'pay' failed: CardDeclined: no funds")


async def test_an_exception_in_the_code_ends_the_instance() -> None:
    async def run(_event, _step):
        raise LookupError("nothing here")

    assert Scenario(run).error == ErrorInfo("LookupError", "nothing here")


async def test_more_steps_than_allowed_end_the_instance() -> None:
    async def run(_event, step):
        for _ in range(3):
            await step.do("again", body)

    story = Scenario(run, steps_max=2).succeed("again", None, 1).succeed("again", None, 2)
    assert story.error.name == "StepLimitExceeded"


@pytest.mark.parametrize("name", ["", "a\x00b", "line\nbreak", "x" * 257])
async def test_a_bad_step_name_ends_the_instance_and_says_why(name: str) -> None:
    async def run(_event, step):
        await step.do(name, body)

    assert Scenario(run).error.name == "InvalidDefinition"


@dataclass(frozen=True)
class Invoice:
    number: int
    due: date
    lines: tuple[str, ...]


def fetch_invoice() -> Invoice:
    raise NotImplementedError


async def test_a_result_has_the_type_that_the_body_is_annotated_with() -> None:
    async def run(_event, step):
        invoice = await step.do("fetch", fetch_invoice)
        assert invoice == Invoice(7, date(2026, 11, 21), ("a", "b"))
        return "same"

    result = Invoice(7, date(2026, 11, 21), ("a", "b"))
    assert Scenario(run).succeed("fetch", result).output == "same"


async def test_a_result_that_does_not_fit_the_annotation_fails_the_step() -> None:
    async def run(_event, step):
        await step.do("fetch", fetch_invoice)

    assert Scenario(run).succeed("fetch", {"number": "many"}).error.name == "WrongShape"


async def test_bytes_and_arrays_come_back_as_they_went() -> None:
    vector = np.arange(6, dtype=np.float32).reshape(2, 3)

    async def run(_event, step):
        result = await step.do("make", body)
        assert result["raw"] == b"\x00\xff"
        assert result["vector"].dtype == np.float32
        np.testing.assert_array_equal(result["vector"], vector)
        return "same"

    assert Scenario(run).succeed("make", {"raw": b"\x00\xff", "vector": vector}).output == "same"


async def test_the_payload_has_the_type_that_run_is_annotated_with() -> None:
    class Bill(Workflow):
        async def run(self, event: WorkflowEvent[Invoice], step) -> str:
            return f"{event.payload.number} due {event.payload.due:%d %b}"

    created = InstanceCreated({"number": 7, "due": "2026-11-21", "lines": []}, 0)
    assert Execution(Bill(), Run(InstanceKey("bill", "1"), 1, created)).start() == [
        Complete("7 due 21 Nov")
    ]
