"""Step bodies: which run when places are few, and what cancelling leaves behind."""

import asyncio
import time

from stepwell.schemas.journal import StepSucceeded
from stepwell.schemas.parts import Lane
from stepwell.streams.engine.names import StepKey
from stepwell.streams.runtime.clock import system_clock
from tests.runtime.bench import INSTANCE, Bench, double


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
        bench.submit(body, number, name=f"step{number}")
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
        bench.cancel(job)
    assert (bench.bodies.running, bench.bodies.waiting) == (0, 0)
    record = await bench.run(double, 1, name="next")
    assert isinstance(record, StepSucceeded)
    assert record.step == "next"
    assert bench.records.empty()


async def test_a_job_that_has_not_started_can_be_taken_back_and_one_that_runs_cannot() -> None:
    bench = Bench(running_max=1)
    started, gate = asyncio.Event(), asyncio.Event()

    async def body() -> None:
        started.set()
        await gate.wait()

    jobs = [
        bench.job(body, name="running"),
        bench.job(double, 1, name="waiting"),
        bench.job(double, 1, name="timed", not_before_ms=system_clock() + 60_000),
    ]
    for job in jobs:
        bench.bodies.submit(job)
    await started.wait()
    taken = [bench.bodies.withdraw(job.owner, job.instance, job.step.key) for job in jobs]
    assert taken == [False, True, True]
    assert not bench.bodies.withdraw("me", INSTANCE, StepKey("unknown", 1))
    assert (bench.bodies.waiting, bench.bodies.timers) == (0, 0)
    gate.set()
    assert (await bench.records.get()).step == "running"


async def test_live_jobs_go_before_bulk_jobs_that_waited_longer() -> None:
    bench = Bench(running_max=1)
    gate, order = asyncio.Event(), []

    async def body(name: str) -> None:
        order.append(name)
        await gate.wait()

    for name, lane in [("a", "bulk"), ("b", "bulk"), ("c", "live"), ("d", "bulk"), ("e", "live")]:
        bench.submit(body, name, name=name, lane=Lane(lane))
    gate.set()
    for _ in range(5):
        await bench.records.get()
    assert order == ["a", "c", "e", "b", "d"]


async def test_bulk_jobs_leave_places_free_for_live_ones() -> None:
    bench = Bench(running_max=32)
    gate = asyncio.Event()
    for number in range(40):
        bench.submit(gate.wait, name=f"bulk-{number}", lane=Lane.BULK)
    assert (bench.bodies.running, bench.bodies.waiting) == (30, 10)
    for number in range(3):
        bench.submit(gate.wait, name=f"live-{number}")
    assert (bench.bodies.running, bench.bodies.waiting) == (32, 11)
    gate.set()
    for _ in range(43):
        await bench.records.get()
    assert bench.bodies.running == 0


async def test_cancelling_an_owner_waits_for_its_bodies_and_spares_the_others(bench: Bench) -> None:
    ended: list[str] = []

    async def body(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    bench.submit(body, "mine", name="mine", owner="mine")
    bench.submit(body, "yours", name="yours", owner="yours")
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

    bench.submit(stubborn)
    await asyncio.sleep(0)
    before = time.monotonic()
    assert await bench.bodies.cancel_owner("me", timeout_ms=10) == 1
    assert time.monotonic() - before < 5
    release.set()


async def test_a_cancelled_body_makes_room_for_the_next() -> None:
    bench = Bench(running_max=1)
    stuck = bench.job(asyncio.Event().wait, name="stuck")
    bench.bodies.submit(stuck)
    bench.submit(double, 2, name="next")
    bench.cancel(stuck)
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
    bench.cancel(job)
    await ended.wait()
    await task
    assert bench.records.empty()
