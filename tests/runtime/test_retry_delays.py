"""Retry delays that a function decides: what it is told, and what becomes of a bad answer."""

import asyncio
import threading
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from stepwell.schemas.journal import AttemptFailed, StepFailed, StepRecord
from stepwell.streams import NonRetryableError, Retries, StepContext
from tests.runtime.bench import Bench


async def broken() -> None:
    raise LookupError("no such page")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """It is always 1000 ms, and a delay function has 50 ms."""
    bench = Bench(lambda: 1000, random=Random(1), delay_budget_ms=50)
    yield bench
    bench.bodies.close()


async def run(bench: Bench, retries: Retries, **changes: Any) -> StepRecord:
    """The record of an attempt that fails."""
    return await bench.run(broken, name="pay", retries=retries, **changes)


async def test_a_plain_function_gives_the_delay_in_a_thread_of_its_own(bench: Bench) -> None:
    told: list[Any] = []

    def delay(context: StepContext, error: Exception) -> str:
        told.append((context.step, context.attempt, str(error), threading.current_thread().name))
        return "2 seconds"

    record = await run(bench, Retries(limit=3, delay=delay), attempt=2)
    assert isinstance(record, AttemptFailed)
    assert record.retry_at_ms == 1000 + 2 * 2000  # exponential: the second is doubled
    assert told[0][:3] == ("pay", 2, "no such page")
    assert told[0][3].startswith("stepwell-delay")


async def test_a_coroutine_function_gives_the_delay(bench: Bench) -> None:
    async def delay(_context: StepContext, _error: Exception) -> int:
        return 70

    record = await run(bench, Retries(delay=delay))
    assert record.retry_at_ms == 1070


async def test_jitter_and_the_longest_delay_hold_for_a_function_too(bench: Bench) -> None:
    retries = Retries(delay=lambda _context, _error: 10_000, delay_max=400, jitter=0.5)
    record = await run(bench, retries)
    assert 1200 <= record.retry_at_ms < 1400


def throws(_context: StepContext, _error: Exception) -> int:
    raise ValueError("no idea")


async def rejects(_context: StepContext, _error: Exception) -> int:
    raise ValueError("no idea")


async def dawdles(_context: StepContext, _error: Exception) -> int:
    await asyncio.Event().wait()
    return 1


async def cancels_itself(_context: StepContext, _error: Exception) -> int:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("delay", "problem"),
    [
        (cancels_itself, "raised CancelledError"),
        (lambda _context, _error: next(iter([])), "raised RuntimeError"),
        (throws, "raised ValueError: no idea"),
        (rejects, "raised ValueError: no idea"),
        (dawdles, "took longer than 50 ms"),
        (lambda _context, _error: "soon", "gave 'soon'"),
        (lambda _context, _error: -1, "gave -1"),
        (lambda _context, _error: None, "gave None"),
        (lambda: 1, "raised TypeError"),
    ],
)
async def test_a_function_that_gives_no_delay_ends_the_step_and_says_why(
    bench: Bench, delay: Any, problem: str
) -> None:
    record = await run(bench, Retries(delay=delay))
    assert isinstance(record, StepFailed)
    assert record.error.name == "RetryDelayFailed"
    assert f"step 'pay' {problem}" in record.error.message
    assert "LookupError: no such page" in record.error.message


async def test_a_plain_function_that_dawdles_ends_the_step_too(bench: Bench) -> None:
    release = threading.Event()
    record = await run(bench, Retries(delay=lambda _context, _error: release.wait(30)))
    release.set()
    assert "took longer than 50 ms" in record.error.message


async def test_a_job_that_is_cancelled_while_it_asks_reports_nothing() -> None:
    bench = Bench()
    asked = asyncio.Event()

    async def delay(_context: StepContext, _error: Exception) -> int:
        asked.set()
        await asyncio.Event().wait()
        return 1

    bench.submit(broken, retries=Retries(delay=delay))
    await asked.wait()
    assert await bench.bodies.cancel_owner("me", timeout_ms=5_000) == 0
    assert (bench.records.empty(), bench.bodies.running) == (True, 0)


async def test_the_function_is_not_asked_when_nothing_is_tried_again(bench: Bench) -> None:
    async def hopeless() -> None:
        raise NonRetryableError("the card is stolen")

    record = await bench.run(hopeless, retries=Retries(delay=throws))
    assert record.error.name == "NonRetryableError"
    assert (await run(bench, Retries(limit=0, delay=throws))).error.name == "LookupError"
