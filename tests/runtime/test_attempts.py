"""Attempts: how each way in which a body ends becomes one record, and what the body is told."""

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from stepwell.schemas.journal import AttemptFailed, StepFailed, StepSucceeded
from stepwell.streams import NonRetryableError, Retries, StepContext
from tests.runtime.bench import Bench, double


async def test_a_coroutine_function_succeeds_with_its_result(bench: Bench) -> None:
    record = await bench.run(double, 21)
    assert isinstance(record, StepSucceeded)
    assert (record.result, record.attempt, record.epoch, record.step) == (42, 1, 7, "step")


async def test_a_plain_function_runs_beside_the_loop(bench: Bench) -> None:
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


async def test_a_result_that_comes_after_the_timeout_is_refused(bench: Bench) -> None:
    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "too late"

    record = await bench.run(stubborn, timeout_ms=20)
    assert (type(record), record.error.name) == (AttemptFailed, "StepTimeout")


async def test_a_thread_that_takes_too_long_is_left_behind_and_its_result_dropped(
    bench: Bench,
) -> None:
    release = threading.Event()
    record = await bench.run(lambda: release.wait(30), timeout_ms=20)
    assert (type(record), record.error.name) == (AttemptFailed, "StepTimeout")
    release.set()
    assert (await bench.run(lambda: "next")).result == "next"
    assert bench.records.empty()


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


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def exits() -> None:
    sys.exit(3)


async def exits_in_the_loop() -> None:
    sys.exit(3)


def stops() -> None:
    next(iter([]))


async def raises_nonsense() -> None:
    raise ValueError("\udcff")


async def raises_unreadable() -> None:
    raise Unreadable


@pytest.mark.parametrize(
    ("body", "name", "message"),
    [
        (exits, "SystemExit", "3"),
        (exits_in_the_loop, "SystemExit", "3"),
        (stops, "RuntimeError", "the function raised StopIteration"),
        (raises_nonsense, "ValueError", "\\udcff"),
        (raises_unreadable, "Unreadable", "Unreadable has no readable message"),
    ],
)
async def test_whatever_a_body_raises_is_a_failed_attempt(
    bench: Bench, body: Callable[[], Any], name: str, message: str
) -> None:
    record = await asyncio.wait_for(bench.run(body), 5)
    assert isinstance(record, AttemptFailed)
    assert (record.error.name, record.error.message) == (name, message)


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


async def test_the_context_shows_the_options_with_defaults_and_no_delay_function(
    bench: Bench,
) -> None:
    seen: list[StepContext] = []

    async def body(context: StepContext) -> None:
        seen.append(context)

    await bench.run(body, retries=Retries(limit=2), timeout_ms=500)
    await bench.run(body, retries=Retries(limit=2, delay=lambda _context, _error: 7))
    assert seen[0].retries == Retries(2, "10 seconds", "exponential")
    assert (seen[0].timeout_ms, seen[1].retries.delay) == (500, None)


async def test_a_body_cannot_change_its_options_through_the_context(bench: Bench) -> None:
    async def body(context: StepContext) -> None:
        context.retries.limit = 99  # type: ignore[misc]

    record = await bench.run(body)
    assert record.error.name == "FrozenInstanceError"


async def test_the_result_of_a_sensitive_step_is_marked(bench: Bench) -> None:
    record = await bench.run(double, 21, sensitive=True)
    assert (record.result, record.sensitive) == (42, True)
