"""Everything that can be asked of an instance, asked in a test."""

import asyncio
from datetime import UTC, datetime

import pytest

from stepwell.schemas.commands import StepRef
from stepwell.streams import Retries, Step, Workflow, WorkflowEvent
from stepwell.streams.engine.compensation import RollbackContext
from stepwell.streams.errors import (
    CannotRestart,
    CannotTerminate,
    InstanceExists,
    InstanceNotFound,
    InvalidInstanceId,
)
from stepwell.streams.testing import DidNotComplete, UnknownWorkflow, Unreachable, WorkflowTest


class Book(Workflow):
    """Books a flight and a room; gives both back when it fails."""

    env: list[str]

    async def run(self, event: WorkflowEvent[bool], step: Step) -> str:
        await step.do("flight", self.book, "flight", rollback=self.give_back)
        await step.do("room", self.book, "room", rollback=self.give_back)
        await step.sleep("a day", "1 day")
        if event.payload:
            await step.do("pay", self.pay, retries=Retries(limit=0, delay=0))
        return "booked"

    async def book(self, what: str) -> str:
        self.env.append(what)
        return what

    async def give_back(self, context: RollbackContext) -> None:
        self.env.append(f"no {context.output}")

    async def pay(self) -> None:
        raise RuntimeError("no money")


class Gives(Workflow):
    """Ends in its own way when it is cancelled."""

    async def run(self, event: WorkflowEvent[None], step: Step) -> str:
        try:
            await step.sleep("long", "100 days")
        except asyncio.CancelledError:
            return "gave way"
        return "slept"


async def test_a_paused_instance_goes_on_when_it_is_resumed():
    async with WorkflowTest(Book, env=[]) as test:
        handle = await test.start(Book, False)
        await handle.wait_for_status("waiting")
        await handle.pause()
        await handle.wait_for_status("paused")
        await test.advance("10 days")
        with pytest.raises(Unreachable, match=r"is paused \(requested"):
            await handle.result()
        await handle.resume()
        assert await handle.result() == "booked"
        assert test.now == datetime(2026, 1, 12, tzinfo=UTC)


class Works(Workflow):
    """Its first step lasts as long as the test wants."""

    env: tuple[asyncio.Event, asyncio.Event]

    async def run(self, event: WorkflowEvent[None], step: Step) -> str:
        await step.do("work", self.work)
        return await step.do("tidy", self.tidy)

    async def work(self) -> None:
        started, over = self.env
        started.set()
        await over.wait()

    async def tidy(self) -> str:
        return "worked"


async def test_a_pause_waits_for_the_step_that_runs():
    started, over = env = asyncio.Event(), asyncio.Event()
    async with WorkflowTest(Works, env=env) as test, asyncio.TaskGroup() as group:
        handle = await test.start(Works)
        pausing = group.create_task(handle.wait_for_status("paused"))
        await started.wait()
        await handle.pause()
        assert handle.status == "waitingForPause"
        over.set()
        await pausing
        await handle.resume()
        assert await handle.result() == "worked"


async def test_a_step_that_runs_is_cancelled_with_its_instance():
    started, over = env = asyncio.Event(), asyncio.Event()
    async with WorkflowTest(Works, env=env) as test, asyncio.TaskGroup() as group:
        handle = await test.start(Works)
        ending = group.create_task(handle.wait_for_status("terminated"))
        await started.wait()
        await handle.terminate(reason="not needed")
        await ending
        assert handle.details.summary.reason == "not needed"
        assert not over.is_set()


async def test_a_failure_is_rolled_back():
    booked: list[str] = []
    async with WorkflowTest(Book, env=booked) as test:
        handle = await test.start(Book, True)
        with pytest.raises(DidNotComplete, match="no money"):
            await handle.result()
        assert booked == ["flight", "room", "no room", "no flight"]
        assert handle.rollback is not None
        assert handle.rollback.outcome == "complete"


@pytest.mark.parametrize(
    ("rollback", "left"), [(False, []), (True, ["no room", "no flight"])], ids=["now", "rollback"]
)
async def test_an_instance_can_be_terminated(rollback: bool, left: list[str]):
    booked: list[str] = []
    async with WorkflowTest(Book, env=booked) as test:
        handle = await test.start(Book, False)
        await handle.wait_for_status("waiting")
        await handle.terminate(rollback=rollback)
        await handle.wait_for_status("terminated")
        assert booked == ["flight", "room", *left]
        with pytest.raises(DidNotComplete, match="is terminated"):
            await handle.result()
        with pytest.raises(CannotTerminate):
            await handle.terminate()


async def test_a_workflow_sees_that_it_is_cancelled():
    async with WorkflowTest(Gives) as test:
        handle = await test.start(Gives)
        await handle.wait_for_status("waiting")
        await handle.cancel()
        assert await handle.result() == "gave way"


async def test_a_restart_from_a_step_keeps_what_was_before_it():
    booked: list[str] = []
    async with WorkflowTest(Book, env=booked) as test:
        handle = await test.start(Book, False)
        await handle.result()
        await handle.restart(from_step="room")
        assert await handle.result() == "booked"
        assert booked == ["flight", "room", "room"]
        await handle.restart(StepRef("a day", kind="sleep"))
        assert await handle.result() == "booked"
        assert booked == ["flight", "room", "room"]
        with pytest.raises(CannotRestart):
            await handle.restart(from_step="pay")


async def test_a_deleted_instance_is_gone_and_its_id_is_free():
    async with WorkflowTest(Book, env=[]) as test:
        handle = await test.start(Book, False, id="one")
        with pytest.raises(InstanceExists):
            await test.start(Book, False, id="one")
        await handle.delete()
        with pytest.raises(InstanceNotFound):
            _ = handle.status
        with pytest.raises(InstanceNotFound):
            await handle.result()
        again = await test.start(Book, False, id="one")
        assert await again.result() == "booked"


async def test_what_cannot_be_started_is_refused():
    async with WorkflowTest(Book, env=[]) as test:
        with pytest.raises(UnknownWorkflow, match="'gives'"):
            await test.start(Gives)
        with pytest.raises(InvalidInstanceId):
            await test.start(Book, id="not an id")
        with pytest.raises(InstanceNotFound):
            test.get(Book, "nobody")
