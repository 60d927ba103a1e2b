"""F13: what tests can change about an instance."""
# ruff: noqa: N802 - test ids begin with the letters of the reference behaviour

from typing import Any

import pytest

from stepwell.streams import Retries, Step, WorkflowEvent
from stepwell.streams.gateway.control import NewInstance
from stepwell.streams.testing import MockedTwice, Unreachable, WorkflowTest
from tests.conformance.flows import AT_ONCE, Body, flow, value


async def run(event: WorkflowEvent[Any], step: Step) -> Any:
    made = await step.do("make", value, "real", retries=AT_ONCE)
    await step.sleep("long", "30 days")
    approval = await step.wait_for_event("approval", type="approval", timeout="1 day")
    return [made, approval.payload]


Flow = flow(run)


async def test_F13_a_mocked_result_and_a_mocked_event() -> None:
    async with WorkflowTest(Flow) as test:
        test.mock_step_result("make", "mocked")
        test.mock_event("approval", {"by": "ada"})
        handle = await test.start(Flow)
        assert await handle.result() == ["mocked", {"by": "ada"}]


async def test_F13_an_error_twice_then_success() -> None:
    body = Body()

    async def once(event: WorkflowEvent[Any], step: Step) -> Any:
        return await step.do("make", body, retries=Retries(limit=2, delay=0))

    workflow = flow(once)
    async with WorkflowTest(workflow) as test:
        test.mock_step_error("make", ConnectionError("mocked"), times=2)
        handle = await test.start(workflow)
        assert await handle.result() == "done"
        assert (body.calls, handle.steps[0].attempts) == (1, 3)


async def test_F13_a_forced_event_timeout_errors_the_instance() -> None:
    async with WorkflowTest(Flow) as test:
        test.force_event_timeout("approval")
        handle = await test.start(Flow)
        await handle.wait_for_status("errored")
        assert handle.error is not None
        assert handle.error.name == "EventTimeout"


async def test_F13_a_forced_step_timeout_is_tried_again() -> None:
    async with WorkflowTest(Flow) as test:
        test.force_step_timeout("make", times=1)
        test.mock_event("approval")
        handle = await test.start(Flow)
        await handle.result()
        assert handle.steps[0].attempts == 2


async def test_F13_disabled_sleeps_take_no_time() -> None:
    async with WorkflowTest(Flow) as test:
        test.disable_sleeps()
        test.mock_event("approval")
        began = test.now
        await (await test.start(Flow)).result()
        assert test.now == began


async def test_F13_a_batch_of_three_that_are_looked_into() -> None:
    async with WorkflowTest(Flow) as test:
        test.introspect(Flow).mock_event("approval", "yes")
        await test.control.create_batch("flow", [NewInstance(None, f"i{n}") for n in range(3)])
        outputs = [await handle.result() for handle in test.instances(Flow)]
        assert outputs == [["real", "yes"]] * 3


async def test_F13_mocks_last_through_pause_terminate_and_restart() -> None:
    async with WorkflowTest(Flow) as test:
        test.mock_step_result("make", "mocked")
        handle = await test.start(Flow)
        await handle.wait_for_status("waiting")
        await handle.pause()
        await handle.wait_for_status("paused")
        await handle.terminate()
        await handle.wait_for_status("terminated")
        await handle.restart()
        handle.mock_event("approval", "late")
        assert await handle.result() == ["mocked", "late"]


async def test_A10_a_second_mock_of_one_step_is_an_error() -> None:
    async with WorkflowTest(Flow) as test:
        test.mock_step_result("make", 1)
        with pytest.raises(MockedTwice):
            test.mock_step_result("make", 2)


async def test_A10_waiting_for_what_cannot_be_any_more_is_an_error() -> None:
    async with WorkflowTest(Flow) as test:
        handle = await test.start(Flow)
        await handle.terminate()
        with pytest.raises(Unreachable):
            await handle.wait_for_status("complete")
