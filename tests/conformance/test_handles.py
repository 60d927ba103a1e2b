"""H: status, events and control of an instance; V: events."""
# ruff: noqa: N802 - test ids begin with the letters of the reference behaviour

from typing import Any

from stepwell.streams import Step, WorkflowEvent
from stepwell.streams.testing import WorkflowTest
from tests.conformance.flows import Body, flow, value


async def two_waits(event: WorkflowEvent[Any], step: Step) -> Any:
    first = await step.wait_for_event("first", type="go")
    second = await step.wait_for_event("second", type="go")
    return [first.payload, second.payload]


async def steps(event: WorkflowEvent[Any], step: Step) -> Any:
    for number in range(3):
        await step.do("same", value, number)
    return await step.do("last", value, "end")


TwoWaits, Steps = flow(two_waits, "two-waits"), flow(steps, "steps")


async def test_H1_waiting_while_it_waits_for_an_event() -> None:
    async with WorkflowTest(TwoWaits) as test:
        handle = await test.start(TwoWaits)
        await handle.wait_for_status("waiting")
        assert [step.status for step in handle.steps] == ["waiting"]


async def test_H2_complete_with_its_output() -> None:
    async with WorkflowTest(Steps) as test:
        handle = await test.start(Steps)
        assert await handle.result() == "end"
        assert (handle.status, handle.output, handle.error) == ("complete", "end", None)


async def test_H3_errored_with_its_error() -> None:
    async def fail(event: WorkflowEvent[Any], step: Step) -> None:
        raise ValueError("what was wrong")

    workflow = flow(fail)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        await handle.wait_for_status("errored")
        assert handle.error is not None
        assert (handle.error.name, handle.error.message) == ("ValueError", "what was wrong")
        assert handle.rollback is None


async def test_H4_step_outputs_are_listed_in_order() -> None:
    async with WorkflowTest(Steps) as test:
        handle = await test.start(Steps)
        await handle.result()
        listed = [(step.name, step.occurrence, step.output) for step in handle.steps]
        assert listed == [("same", 1, 0), ("same", 2, 1), ("same", 3, 2), ("last", 1, "end")]


async def test_H5_terminated_is_shown() -> None:
    async with WorkflowTest(TwoWaits) as test:
        handle = await test.start(TwoWaits)
        await handle.terminate()
        await handle.wait_for_status("terminated")


async def test_H6_the_payload_of_an_event_reaches_its_wait() -> None:
    async def wait(event: WorkflowEvent[Any], step: Step) -> Any:
        got = await step.wait_for_event("go", type="go")
        return [got.type, got.payload, got.timestamp.year]

    workflow = flow(wait)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        await handle.send_event("go", {"deep": [1, None, "text"]})
        assert await handle.result() == ["go", {"deep": [1, None, "text"]}, 2026]


async def test_H7_events_in_turn_reach_their_waits() -> None:
    async with WorkflowTest(TwoWaits) as test:
        handle = await test.start(TwoWaits)
        for number in (1, 2):
            await handle.wait_for_status("waiting")
            await handle.send_event("go", number)
        assert await handle.result() == [1, 2]


async def test_H9_restart_runs_it_again() -> None:
    body = Body("one", "two")

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        return await step.do("body", body)

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        assert await handle.result() == "one"
        await handle.restart()
        assert await handle.result() == "two"


async def test_H10_pause_stops_it_and_H11_resume_finishes_it() -> None:
    async with WorkflowTest(TwoWaits) as test:
        handle = await test.start(TwoWaits)
        await handle.wait_for_status("waiting")
        await handle.pause()
        await handle.wait_for_status("paused")
        await handle.send_event("go", 1)
        await handle.send_event("go", 2)
        await test.run_until_idle()
        assert handle.status == "paused"
        await handle.resume()
        assert await handle.result() == [1, 2]


async def test_V1_an_event_is_received_while_it_is_active() -> None:
    async with WorkflowTest(TwoWaits, replays=False) as test:
        handle = await test.start(TwoWaits)
        await handle.wait_for_status("waiting")
        await handle.send_event("go", 1)
        await handle.send_event("go", 2)
        assert await handle.result() == [1, 2]


async def test_V2_an_event_wakes_an_instance_that_is_only_stored() -> None:
    async with WorkflowTest(TwoWaits) as test:
        handle = await test.start(TwoWaits)
        await handle.wait_for_status("waiting")
        test.crash()
        await test.run_until_idle()
        await handle.send_event("go", 1)
        await handle.send_event("go", 2)
        assert await handle.result() == [1, 2]


async def test_F6_wait_for_an_event_from_end_to_end_with_its_timeout() -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        await step.do("before", value)
        await step.wait_for_event("go", type="go", timeout="1 hour")

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        began = test.now
        await handle.wait_for_status("errored")
        assert handle.error is not None
        assert handle.error.name == "EventTimeout"
        assert (test.now - began).total_seconds() == 3600
