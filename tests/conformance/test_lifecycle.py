"""Y: terminate, restart, restart from a step, pause and resume."""
# ruff: noqa: N802 - test ids begin with the letters of the reference behaviour

from typing import Any

import pytest

from stepwell.schemas.commands import StepRef
from stepwell.streams import Step, WorkflowEvent
from stepwell.streams.errors import CannotRestart, CannotTerminate
from stepwell.streams.testing import Handle, WorkflowTest
from tests.conformance.flows import Body, flow, value


async def by_params(event: WorkflowEvent[Any], step: Step) -> Any:
    if event.payload == "fail":
        raise ValueError("as asked")
    if event.payload == "wait":
        return (await step.wait_for_event("go", type="go")).payload
    return "done"


ByParams = flow(by_params)


async def ended(test: WorkflowTest, how: str) -> Handle:
    """An instance that has come to this status."""
    params = {"complete": "end", "errored": "fail"}.get(how, "wait")
    handle = await test.start(ByParams, params)
    if how == "terminated":
        await handle.terminate()
    if how == "paused":
        await handle.pause()
    await handle.wait_for_status("waiting" if how == "running" else how)
    return handle


@pytest.mark.parametrize("how", ["complete", "errored", "terminated"])
async def test_Y1_Y2_Y3_what_has_ended_cannot_be_terminated(how: str) -> None:
    async with WorkflowTest(ByParams) as test:
        handle = await ended(test, how)
        with pytest.raises(CannotTerminate) as refused:
            await handle.terminate()
        assert refused.value.code == "instance.cannot_terminate"


@pytest.mark.parametrize("how", ["complete", "errored", "terminated", "running", "paused"])
async def test_Y4_to_Y8_restart_works_from_everywhere(how: str) -> None:
    async with WorkflowTest(ByParams) as test:
        handle = await ended(test, how)
        await handle.restart()
        if how == "complete":
            assert await handle.result() == "done"
        elif how == "errored":
            await handle.wait_for_status("errored")
        else:
            await handle.wait_for_status("waiting")
            await handle.send_event("go", "went")
            assert await handle.result() == "went"


async def test_Y9_restart_from_a_step_keeps_what_was_before_and_Y10_a_step_is_a_do() -> None:
    bodies = {name: Body() for name in ("a", "b", "c")}

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        for name, body in bodies.items():
            await step.do(name, body)
        await step.sleep("b", "1 minute")
        return "end"

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        await handle.result()
        await handle.restart("b")
        assert await handle.result() == "end"
        assert [body.calls for body in bodies.values()] == [1, 2, 2]
        await handle.restart(StepRef("b", kind="sleep"))
        assert await handle.result() == "end"
        assert [body.calls for body in bodies.values()] == [1, 2, 2]


async def test_Y11_restart_from_an_unknown_step_is_an_error() -> None:
    async with WorkflowTest(ByParams) as test:
        handle = await ended(test, "complete")
        with pytest.raises(CannotRestart) as refused:
            await handle.restart("nowhere")
        assert refused.value.code == "instance.cannot_restart"
        assert handle.status == "complete"


async def test_Y12_pause_comes_after_the_step_that_runs() -> None:
    ran: list[str] = []

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("pauses", pause)
        await step.do("after", ran.append, "after")

    async def pause() -> None:
        await handle.pause()
        ran.append("to its end")

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        await handle.wait_for_status("paused")
        assert ran == ["to its end"]
        await handle.resume()
        await handle.result()
        assert ran == ["to its end", "after"]


async def test_Y15_pause_in_a_sleep_then_resume_and_finish() -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        await step.sleep("long", "1 hour")
        return await step.do("after", value, "finished")

    workflow = flow(run)
    async with WorkflowTest(workflow, auto_advance=False) as test:
        handle = await test.start(workflow)
        await handle.wait_for_status("waiting")
        await test.advance("20 minutes")
        await handle.pause()
        await handle.wait_for_status("paused")
        await test.advance("5 hours")
        assert handle.status == "paused"
        await handle.resume()
        await test.advance("39 minutes")
        assert handle.status == "waiting"
        await test.advance("1 minute")
        assert await handle.result() == "finished"


async def test_Y17_a_pause_that_was_asked_for_is_carried_out_by_the_next_worker() -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        return await step.do("never ends", never)

    async def never() -> None:
        await handle.pause()
        test.crash()

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        await handle.wait_for_status("paused")


async def test_A6_a_pause_of_a_pause_and_a_resume_of_what_runs_change_nothing() -> None:
    async with WorkflowTest(ByParams) as test:
        handle = await ended(test, "paused")
        await handle.pause()
        assert handle.status == "paused"
        await handle.resume()
        await handle.resume()
        await handle.wait_for_status("waiting")
