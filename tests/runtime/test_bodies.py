"""Step bodies: how each way of ending becomes one record, and what cancelling leaves behind."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from stepwell.schemas.journal import (
    AttemptFailed,
    InstanceKey,
    StepFailed,
    StepRecord,
    StepSucceeded,
)
from stepwell.streams import NonRetryableError, Retries, StepContext
from stepwell.streams.engine.effects import RunStep
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.retry import StepOptions
from stepwell.streams.runtime.bodies import Job, StepBodies
from stepwell.streams.runtime.clock import system_clock

INSTANCE = InstanceKey("told", "one")


class Bench:
    """Bodies with a place to put their records."""

    def __init__(self, **options: Any) -> None:
        self.bodies = StepBodies(system_clock, **options)
        self.records: asyncio.Queue[StepRecord] = asyncio.Queue()

    def job(self, function: Callable[..., Any], *args: Any, **changes: Any) -> Job:
        options = StepOptions(
            changes.get("retries", Retries(limit=1, delay=0)), changes.get("timeout_ms", 10_000)
        )
        key = StepKey(changes.get("name", "step"), 1)
        step = RunStep(key, function, args, options, 1, changes.get("not_before_ms", 0))
        owner = changes.get("owner", "me")
        return Job(owner, INSTANCE, 1, 7, step, lambda _job, record, _raw: self.put(record))

    def put(self, record: StepRecord) -> None:
        self.records.put_nowait(record)

    async def run(self, function: Callable[..., Any], *args: Any, **changes: Any) -> StepRecord:
        self.bodies.submit(self.job(function, *args, **changes))
        return await self.records.get()


@pytest.fixture
async def bench():
    bench = Bench()
    yield bench
    bench.bodies.close()


async def double(number: int) -> int:
    return number * 2


async def test_a_coroutine_function_succeeds_with_its_result(bench: Bench) -> None:
    record = await bench.run(double, 21)
    assert isinstance(record, StepSucceeded)
    assert (record.result, record.attempt, record.epoch, record.step) == (42, 1, 7, "step")


async def test_a_plain_function_runs_beside_the_loop(bench: Bench) -> None:
    import threading

    record = await bench.run(lambda: threading.current_thread().name)
    assert isinstance(record, StepSucceeded)
    assert record.result.startswith("stepwell-step")


async def test_a_plain_function_that_gives_back_a_coroutine_is_awaited(bench: Bench) -> None:
    record = await bench.run(lambda: double(4))
    assert isinstance(record, StepSucceeded)
    assert record.result == 8


async def test_an_exception_is_an_attempt_failed_with_the_time_of_the_next(bench: Bench) -> None:
    async def broken() -> None:
        raise LookupError("no such page")

    record = await bench.run(broken, retries=Retries(limit=1, delay=500, backoff="constant"))
    assert isinstance(record, AttemptFailed)
    assert (record.error.name, record.error.message) == ("LookupError", "no such page")
    assert record.retry_at_ms == record.at_ms + 500


async def test_a_non_retryable_error_ends_the_step(bench: Bench) -> None:
    async def hopeless() -> None:
        raise NonRetryableError("the card is stolen")

    record = await bench.run(hopeless)
    assert isinstance(record, StepFailed)
    assert record.error.message == "the card is stolen"


async def test_an_attempt_that_takes_too_long_fails_and_says_so(bench: Bench) -> None:
    record = await bench.run(asyncio.Event().wait, timeout_ms=20)
    assert isinstance(record, AttemptFailed)
    assert record.error.name == "StepTimeout"
    assert "20 ms" in record.error.message


async def test_a_timeout_of_the_bodys_own_keeps_its_name(bench: Bench) -> None:
    async def asks_a_slow_service() -> None:
        raise TimeoutError("the service")

    record = await bench.run(asks_a_slow_service)
    assert isinstance(record, AttemptFailed)
    assert (record.error.name, record.error.message) == ("TimeoutError", "the service")


async def test_a_cancellation_of_the_bodys_own_is_a_failed_attempt(bench: Bench) -> None:
    async def cancels_itself() -> None:
        raise asyncio.CancelledError

    record = await bench.run(cancels_itself)
    assert isinstance(record, AttemptFailed)
    assert record.error.name == "CancelledError"


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        ({1, 2}, "set at $.result"),
        ({"deep": [float("nan")]}, "nan at $.result.deep[0]"),
        ({"$bytes": "x"}, "reserved"),
        ({4: "x"}, "keys must be text"),
    ],
)
async def test_a_result_that_cannot_be_stored_fails_the_step_naming_it(
    bench: Bench, result: Any, problem: str
) -> None:
    async def body() -> Any:
        return result

    record = await bench.run(body)
    assert isinstance(record, StepFailed)
    assert record.error.name == "NotSerialisable"
    assert problem in record.error.message


async def test_a_result_above_the_limit_fails_the_step_naming_size_and_limit(bench: Bench) -> None:
    async def body() -> str:
        return "x" * (1024 * 1024)

    record = await bench.run(body)
    assert isinstance(record, StepFailed)
    assert record.error.name == "ResultTooLarge"
    assert "1048576" in record.error.message


async def test_a_body_that_asks_for_it_gets_its_context(bench: Bench) -> None:
    async def body(number: int, context: StepContext) -> list[Any]:
        return [number, context.attempt, context.idempotency_key, context.owner_epoch]

    record = await bench.run(body, 5)
    assert isinstance(record, StepSucceeded)
    assert record.result == [5, 1, "told/one/1/step-1", 7]


async def test_a_job_waits_until_it_is_due(bench: Bench) -> None:
    due_ms = system_clock() + 30
    record = await bench.run(double, 1, not_before_ms=due_ms)
    assert record.started_ms >= due_ms


async def test_only_so_many_bodies_run_at_a_time_and_the_rest_follow_in_order() -> None:
    bench = Bench(running_max=2)
    gate, full, running, order = asyncio.Event(), asyncio.Event(), [0, 0], []

    async def body(number: int) -> None:
        order.append(number)
        if len(order) == 2:
            full.set()
        running[0] += 1
        running[1] = max(running)
        await gate.wait()
        running[0] -= 1

    for number in range(6):
        bench.bodies.submit(bench.job(body, number, name=f"step{number}"))
    assert (bench.bodies.running, bench.bodies.waiting) == (2, 4)
    await full.wait()
    gate.set()
    for _ in range(6):
        await bench.records.get()
    assert (running[1], order) == (2, [0, 1, 2, 3, 4, 5])


async def test_a_cancelled_job_reports_nothing_wherever_it_is() -> None:
    bench = Bench(running_max=1)
    started = asyncio.Event()

    async def body() -> None:
        started.set()
        await asyncio.Event().wait()

    jobs = [
        bench.job(body, name="running"),
        bench.job(double, 1, name="waiting"),
        bench.job(double, 1, name="timed", not_before_ms=system_clock() + 60_000),
    ]
    for job in jobs:
        bench.bodies.submit(job)
    await started.wait()
    for job in reversed(jobs):
        bench.bodies.cancel(job.owner, job.instance, job.step.key)
    assert (bench.bodies.running, bench.bodies.waiting) == (0, 0)
    record = await bench.run(double, 1, name="next")
    assert isinstance(record, StepSucceeded)
    assert record.step == "next"
    assert bench.records.empty()


async def test_cancelling_an_owner_waits_for_its_bodies_and_spares_the_others(bench: Bench) -> None:
    ended: list[str] = []

    async def body(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    bench.bodies.submit(bench.job(body, "mine", name="mine", owner="mine"))
    bench.bodies.submit(bench.job(body, "yours", name="yours", owner="yours"))
    await asyncio.sleep(0)
    assert await bench.bodies.cancel_owner("mine", timeout_ms=5_000) == 0
    assert (ended, bench.bodies.running) == (["mine"], 1)


async def test_a_body_that_ignores_its_cancellation_is_counted_not_waited_for(bench: Bench) -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    bench.bodies.submit(bench.job(stubborn))
    await asyncio.sleep(0)
    before = time.monotonic()
    assert await bench.bodies.cancel_owner("me", timeout_ms=10) == 1
    assert time.monotonic() - before < 5
    release.set()


async def test_a_cancelled_body_makes_room_for_the_next() -> None:
    bench = Bench(running_max=1)
    stuck = bench.job(asyncio.Event().wait, name="stuck")
    bench.bodies.submit(stuck)
    bench.bodies.submit(bench.job(double, 2, name="next"))
    bench.bodies.cancel(stuck.owner, stuck.instance, stuck.step.key)
    record = await asyncio.wait_for(bench.records.get(), 5)
    assert isinstance(record, StepSucceeded)
    assert record.step == "next"


async def test_a_body_that_ends_well_although_it_was_cancelled_reports_nothing() -> None:
    bench = Bench()
    started, ended = asyncio.Event(), asyncio.Event()

    async def stubborn() -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.set()
        return "too late"

    job = bench.job(stubborn)
    bench.bodies.submit(job)
    await started.wait()
    (task,) = bench.bodies._running.values()
    bench.bodies.cancel(job.owner, job.instance, job.step.key)
    await ended.wait()
    await task
    assert bench.records.empty()
