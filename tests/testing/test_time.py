"""Virtual time: it passes when nothing else can happen, or when it is told to, and never early."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from stepwell.streams import Retries, Step, Workflow, WorkflowEvent
from stepwell.streams.testing import DidNotComplete, Unreachable, WorkflowTest


async def nothing() -> None:
    """Does nothing."""


class Yearly(Workflow):
    async def run(self, event: WorkflowEvent[int], step: Step) -> list[datetime]:
        seen = [step.now()]
        for _ in range(event.payload):
            await step.sleep("a year", "365 days")
            seen.append(step.now())
        return seen


class Waits(Workflow):
    async def run(self, event: WorkflowEvent[None], step: Step) -> str:
        got = await step.wait_for_event("the answer", type="answer", timeout="1 hour")
        return str(got.payload)


class Polls(Workflow):
    async def run(self, event: WorkflowEvent[None], step: Step) -> None:
        while True:
            await step.do("look", nothing)
            await step.sleep("a while", "30 days")


class Fails(Workflow):
    async def run(self, event: WorkflowEvent[None], step: Step) -> None:
        await step.do("flaky", self.flaky, retries=Retries(limit=2, delay="1 minute"))

    async def flaky(self) -> None:
        raise RuntimeError("not yet")


async def test_years_pass_when_somebody_waits_for_the_end():
    start = datetime(2027, 5, 1, tzinfo=UTC)
    async with WorkflowTest(Yearly, start=start) as test:
        handle = await test.start(Yearly, 3)
        assert await handle.result() == [start + n * timedelta(days=365) for n in range(4)]
        assert test.now == start + timedelta(days=3 * 365)


async def test_time_that_must_be_advanced_does_not_pass_by_itself():
    async with WorkflowTest(Yearly, auto_advance=False) as test:
        handle = await test.start(Yearly, 1)
        with pytest.raises(Unreachable) as stuck:
            await handle.result()
        assert "is waiting, with sleep 'a year' sleeping until 2027-01-01 00:00:00" in str(
            stuck.value
        )
        await test.advance("364 days")
        assert handle.status == "waiting"
        await test.advance("1 day")
        assert handle.status == "complete"


async def test_what_is_due_meanwhile_happens_at_its_own_time():
    async with WorkflowTest(Yearly) as test:
        short, long = await test.start(Yearly, 1), await test.start(Yearly, 2)
        for _ in range(3):
            await test.advance("365 days")
        ends = [handle.steps[-1].finished_ms for handle in (short, long)]
        assert ends == [
            _ms(datetime(2027, 1, 1, tzinfo=UTC)),
            _ms(datetime(2028, 1, 1, tzinfo=UTC)),
        ]
        assert test.now == datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=3 * 365)


async def test_a_test_can_go_from_timer_to_timer():
    async with WorkflowTest(Yearly, Waits) as test:
        yearly, waits = await test.start(Yearly, 1), await test.start(Waits)
        await test.run_until_idle()
        assert test.next_timer == datetime(2026, 1, 1, 1, tzinfo=UTC)
        assert await test.advance_to_next_timer()
        assert test.next_timer == datetime(2027, 1, 1, tzinfo=UTC)
        assert await test.advance_to_next_timer()
        assert not await test.advance_to_next_timer()
        assert (yearly.status, waits.status) == ("complete", "errored")


async def test_retry_delays_pass_in_virtual_time():
    async with WorkflowTest(Fails) as test:
        handle = await test.start(Fails)
        with pytest.raises(DidNotComplete, match="errored: RuntimeError"):
            await handle.result()
        assert test.now == datetime(2026, 1, 1, 0, 3, tzinfo=UTC)  # after 1 and 2 minutes
        assert handle.steps[0].attempts == 3


async def test_a_result_that_never_comes_is_an_error_not_a_hang():
    async with WorkflowTest(Polls) as test:
        with pytest.raises(Unreachable, match="nothing is left to happen before its end"):
            await (await test.start(Polls)).result()


async def test_a_status_that_cannot_come_any_more_is_an_error():
    async with WorkflowTest(Waits) as test:
        handle = await test.start(Waits)
        await handle.wait_for_status("waiting")
        await handle.send_event("answer", "yes")
        with pytest.raises(Unreachable, match="is complete, and will not be 'paused' any more"):
            await handle.wait_for_status("paused")
        with pytest.raises(ValueError, match="'done' is not a valid Status"):
            await handle.wait_for_status("done")


class Impatient(Workflow):
    """Waits for a body that never ends, but not for ever."""

    async def run(self, event: WorkflowEvent[None], step: Step) -> int:
        asked = step.do("ask", self.ask)
        return (await step.race(asked, step.sleep("patience", "1 hour"))).winner

    async def ask(self) -> None:
        await asyncio.Event().wait()


async def test_time_can_pass_while_a_body_runs():
    async with WorkflowTest(Impatient) as test:
        handle = await test.start(Impatient)
        await test.advance("59 minutes", wait_for_bodies=False)
        assert handle.status == "running"
        await test.advance("1 minute", wait_for_bodies=False)
        assert handle.output == 1


async def test_nothing_happens_while_nobody_waits():
    async with WorkflowTest(Waits) as test:
        handle = await test.start(Waits)
        assert (handle.status, handle.steps) == ("running", ())
        await handle.send_event("answer", "early")
        assert await handle.result() == "early"


class Hosts(Workflow):
    """Its steps wait for the test: one in the loop, one in a thread."""

    env: tuple[asyncio.Event, threading.Event]

    async def run(self, event: WorkflowEvent[None], step: Step) -> list[str]:
        return await asyncio.gather(
            step.do("in the loop", self.in_loop), step.do("in a thread", self.in_thread)
        )

    async def in_loop(self) -> str:
        await self.env[0].wait()
        return "loop"

    def in_thread(self) -> str:
        self.env[1].wait()
        return "thread"


async def test_bodies_run_for_real_and_may_wait_for_the_world():
    env = asyncio.Event(), threading.Event()
    async with WorkflowTest(Hosts, env=env) as test, asyncio.TaskGroup() as group:
        handle = await test.start(Hosts)
        ending = group.create_task(handle.result())
        env[0].set()
        env[1].set()
        assert await ending == ["loop", "thread"]


def test_it_works_without_a_test_framework():
    async def story() -> object:
        async with WorkflowTest(Yearly) as test:
            return len(await (await test.start("yearly", 1)).result())

    assert asyncio.run(story()) == 2


async def test_two_tests_of_the_same_give_the_same_journal():
    async def journal() -> list[bytes]:
        async with WorkflowTest(Yearly, Fails) as test:
            handles = [await test.start(Yearly, 2), await test.start(Fails)]
            await test.advance("3 days")
            return [handle.history() for handle in handles]

    assert await journal() == await journal()


def _ms(when: datetime) -> int:
    return round(when.timestamp() * 1000)
