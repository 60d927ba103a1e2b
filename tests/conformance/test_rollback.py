"""R: what is undone, in which order, and when."""
# ruff: noqa: N802 - test ids begin with the letters of the reference behaviour

from contextlib import suppress
from typing import Any

import pytest

from stepwell.streams import (
    NonRetryableError,
    Retries,
    Step,
    StepError,
    WorkflowEvent,
)
from stepwell.streams.engine.compensation import RollbackContext
from stepwell.streams.testing import Handle, WorkflowTest
from tests.conformance.flows import Body, flow, value

NEVER = Retries(limit=0, delay=0)


class Undone:
    """Remembers what was rolled back, in order."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Any]] = []

    def __call__(self, context: RollbackContext) -> None:
        self.all.append((context.step, context.output))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.all]


async def failing(run: Any, status: str = "errored") -> Handle:
    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        await handle.wait_for_status(status)
        return handle


async def test_R1_last_in_first_out_on_failure() -> None:
    undone = Undone()

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        for name in ("a", "b", "c"):
            await step.do(name, value, name.upper(), rollback=undone)
        raise ValueError("after all")

    handle = await failing(run)
    assert undone.all == [("c", "C"), ("b", "B"), ("a", "A")]
    assert handle.rollback is not None
    assert handle.rollback.outcome == "complete"


async def test_R3_the_retries_of_the_rollback_are_its_own() -> None:
    undo = Body(ConnectionError("one"), ConnectionError("two"))

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        own = Retries(limit=2, delay=0)
        await step.do("a", value, rollback=undo, retries=NEVER, rollback_retries=own)
        raise ValueError("after all")

    handle = await failing(run)
    assert undo.calls == 3
    assert handle.rollback is not None
    assert handle.rollback.outcome == "complete"


async def test_R4_the_handler_is_told_the_step_its_output_and_the_error() -> None:
    told: list[RollbackContext] = []

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("a", value, 1)
        await step.do("a", value, {"id": 7}, rollback=told.append)
        raise ValueError("after all")

    await failing(run)
    (context,) = told
    assert (context.step, context.occurrence, context.output) == ("a", 2, {"id": 7})
    assert context.error is not None
    assert (context.error.name, context.error.message) == ("ValueError", "after all")


async def test_R5_a_failed_step_takes_part_and_R6_only_steps_with_a_handler() -> None:
    undone = Undone()

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("with", value, 1, rollback=undone)
        await step.do("without", value, 2)
        await step.do("failed", Body(NonRetryableError("no")), rollback=undone)

    await failing(run)
    assert undone.all == [("failed", None), ("with", 1)]


async def test_R7_it_stops_at_the_first_handler_that_fails() -> None:
    undone = Undone()

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("a", value, rollback=undone)
        await step.do("b", value, rollback=Body(NonRetryableError("cannot undo")))
        await step.do("c", value, rollback=undone)
        raise ValueError("after all")

    handle = await failing(run)
    assert undone.names == ["c"]
    assert handle.rollback is not None
    assert handle.rollback.outcome == "failed"
    assert handle.rollback.error is not None
    assert "cannot undo" in str(handle.rollback.error)
    assert handle.error is not None
    assert handle.error.message == "after all"


@pytest.mark.parametrize("paused", [False, True])
async def test_R8_it_runs_when_terminate_asks_for_it(paused: bool) -> None:
    undone = Undone()

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("a", value, 1, rollback=undone)
        await step.wait_for_event("never", type="never")

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        await handle.wait_for_status("waiting")
        if paused:
            await handle.pause()
            await handle.wait_for_status("paused")
        await handle.terminate(rollback=True)
        await handle.wait_for_status("terminated")
        assert undone.names == ["a"]
        assert handle.rollback is not None


async def test_R9_R10_R12_handlers_are_found_again_when_memory_is_gone() -> None:
    """Of steps that have finished, have failed and were caught, and have not finished."""
    undone = Undone()
    ran = Body()

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("finished", ran, rollback=undone)
        with suppress(StepError):
            await step.do("failed", Body(NonRetryableError("no")), rollback=undone)
        again = Retries(limit=5, delay="1 hour")
        await step.do("open", Body(*[ConnectionError("x")] * 9), rollback=undone, retries=again)

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        await test.run_until_idle()
        test.crash()
        await test.run_until_idle()
        await handle.terminate(rollback=True)
        await handle.wait_for_status("terminated")
        assert undone.all == [("open", None), ("failed", None), ("finished", "done")]
        assert ran.calls == 1


async def test_R15_none_on_success() -> None:
    undone = Undone()

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("a", value, rollback=undone)

    handle = await failing(run, "complete")
    assert (undone.all, handle.rollback) == ([], None)


async def test_A9_parallel_steps_are_undone_in_reverse_order_of_their_start() -> None:
    undone = Undone()

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        await step.map("none", value, [1])
        first = step.do("first", value, rollback=undone)
        second = step.do("second", value, rollback=undone)
        await step.race(first, step.sleep("x", "1 hour"))
        await second
        raise ValueError("after all")

    await failing(run)
    assert undone.names == ["second", "first"]
