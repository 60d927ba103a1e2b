"""Workers that die, records that come twice, steps that complete in any order."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from random import Random

import pytest

from stepwell.streams import NonRetryableError, Step, Workflow, WorkflowEvent
from stepwell.streams.engine.compensation import RollbackContext
from stepwell.streams.testing import CrashChangedTheEnd, Unreachable, WorkflowTest, crash_everywhere
from stepwell.streams.testing.storage import MemoryRows


class Trip(Workflow):
    """A bit of everything: parallel steps, a child, a sleep, an event, a rollback."""

    async def run(self, event: WorkflowEvent[bool], step: Step) -> int:
        left, right = await asyncio.gather(
            step.do("left", self.double, 1, rollback=self.undo), step.do("right", self.double, 2)
        )
        child = await step.child("count", Count, [left, right])
        await step.sleep("rest", "30 days")
        approval = await step.wait_for_event("approval", type="approval", timeout="1 day")
        if approval.payload is not True:
            raise NonRetryableError("refused")
        return left + right + int(child)

    async def double(self, number: int) -> int:
        return 2 * number

    def undo(self, context: RollbackContext) -> None:
        assert context.output == 2


class Count(Workflow):
    async def run(self, event: WorkflowEvent[list[int]], step: Step) -> int:
        return sum(await step.map("one", self.one, event.payload))

    def one(self, number: int) -> int:
        return number


class Forgetful(Workflow):
    """Looks at what a worker does not keep: a counter of its own."""

    env: list[int]

    async def run(self, event: WorkflowEvent[None], step: Step) -> int:
        self.env.append(1)
        await step.do("first", self.nothing)
        return len(self.env)

    async def nothing(self) -> None:
        """Does nothing."""


class Fickle(Workflow):
    """Asks for another step whenever it is replayed."""

    env: Random

    async def run(self, event: WorkflowEvent[None], step: Step) -> None:
        name = f"step {self.env.random()}"
        await step.do(name, Forgetful.nothing, self)
        await step.sleep("a while", "1 hour")


class First(Workflow):
    async def run(self, event: WorkflowEvent[int], step: Step) -> list[int]:
        done: list[int] = []

        async def one(number: int) -> None:
            done.append(await step.do(f"body {number}", self.give, number))

        await asyncio.gather(*(one(number) for number in range(event.payload)))
        return done

    async def give(self, number: int) -> int:
        return number


class Races(Workflow):
    env: asyncio.Event

    async def run(self, event: WorkflowEvent[None], step: Step) -> int:
        return (await step.race(step.do("slow", self.env.wait), step.do("fast", self.fast))).winner

    async def fast(self) -> bool:
        return True


def trip() -> WorkflowTest:
    return WorkflowTest(Trip, Count)


async def approved(test: WorkflowTest) -> object:
    handle = await test.start(Trip, True, id="trip")
    test.crash()
    await handle.wait_for_status("waiting")
    await handle.send_event("approval", True)
    return await handle.result()


async def refused(test: WorkflowTest) -> str:
    test.mock_event("approval", False)
    handle = await test.start(Trip, True, id="trip")
    await handle.wait_for_status("errored")
    return handle.status


async def terminated(test: WorkflowTest) -> str:
    handle = await test.start(Trip, True, id="trip")
    await handle.wait_for_step_result("left")
    await handle.pause()
    await handle.wait_for_status("paused")
    await handle.resume()
    await handle.terminate(rollback=True)
    await handle.wait_for_status("terminated")
    return handle.status


async def restarted(test: WorkflowTest) -> object:
    test.mock_event("approval", True)
    handle = await test.start(Trip, True, id="trip")
    await handle.wait_for_step_result("right")
    await handle.restart()
    await handle.result()
    await handle.restart(from_step="right")
    return await handle.result()


@pytest.mark.parametrize("scenario", [approved, refused, terminated, restarted])
async def test_a_worker_may_die_anywhere(scenario: Callable[[WorkflowTest], Awaitable[object]]):
    await crash_everywhere(trip, scenario)


async def test_a_crash_that_makes_a_difference_is_found():
    async def scenario(test: WorkflowTest) -> object:
        return await (await test.start(Forgetful)).result()

    with pytest.raises(CrashChangedTheEnd, match=r"with a crash at write \d+ of \d+ the result is"):
        await crash_everywhere(lambda: WorkflowTest(Forgetful, env=[]), scenario)


async def test_a_step_that_runs_again_is_found(monkeypatch: pytest.MonkeyPatch):
    """A planted bug: the worker keeps no row of a step that succeeded."""

    def forget(self: MemoryRows, key: bytes, offset: int, value: bytes) -> None:
        if b"StepSucceeded" not in value:
            put(self, key, offset, value)

    put = MemoryRows.put_history
    monkeypatch.setattr(MemoryRows, "put_history", forget)

    async def scenario(test: WorkflowTest) -> object:
        return await (await test.start(First, 1)).result()

    with pytest.raises(CrashChangedTheEnd, match="these ran again: first/test-1: step body 0-1"):
        await crash_everywhere(lambda: WorkflowTest(First, replays=False), scenario)


async def test_a_crash_loses_what_was_not_written():
    counted: list[int] = []
    async with WorkflowTest(Forgetful, env=counted) as test:
        handle = await test.start(Forgetful)
        await handle.wait_for_step_result("first")
        test.crash()
        assert await handle.result() == 2
        assert test.ran_again == []


async def test_a_worker_that_died_three_times_over_a_body_runs_it_alone():
    async with WorkflowTest(Races, env=asyncio.Event()) as test:
        handle = await test.start(Races)
        for _ in range(4):
            test.crash()
        assert await handle.result() == 1


async def test_code_that_is_not_deterministic_is_found_without_a_crash():
    async with WorkflowTest(Fickle, env=Random(1)) as test:
        handle = await test.start(Fickle)
        with pytest.raises(Unreachable, match="diverged: the code waits for step 'step"):
            await handle.result()
    async with WorkflowTest(Fickle, env=Random(1), replays=False) as test:
        await (await test.start(Fickle)).result()


async def test_records_may_come_twice():
    async with trip() as test:
        test.duplicate()
        assert await approved(test) == 12
        assert test.ran_again == []


async def test_steps_complete_in_any_order_and_a_seed_says_in_which():
    async def order(seed: int) -> object:
        async with WorkflowTest(First) as test:
            test.reorder(seed)
            return await (await test.start(First, 5)).result()

    orders = [await order(seed) for seed in range(10)]
    assert orders == [await order(seed) for seed in range(10)]
    assert len({str(order) for order in orders}) > 5
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders if isinstance(order, list))


async def test_a_race_is_won_although_the_loser_never_ends():
    async with WorkflowTest(Races, env=asyncio.Event()) as test:
        test.reorder(1)
        assert await (await test.start(Races)).result() == 1


async def test_many_that_wake_at_the_same_time_all_go_on():
    async with WorkflowTest(Fickle, env=_Always()) as test:
        handles = [await test.start(Fickle) for _ in range(50)]
        await test.run_until_idle()
        assert {handle.status for handle in handles} == {"waiting"}
        await test.advance("1 hour")
        assert {handle.status for handle in handles} == {"complete"}
        assert test.now == datetime(2026, 1, 1, 1, tzinfo=UTC)


class _Always(Random):
    def random(self) -> float:
        return 0.5
