"""E: failures and retries; D: functions that give the delay; L: the step limit; F5."""
# ruff: noqa: N802 - test ids begin with the letters of the reference behaviour

from typing import Any

import pytest

from stepwell.streams import NonRetryableError, Retries, Step, StepContext, StepError, WorkflowEvent
from stepwell.streams.testing import DidNotComplete, WorkflowTest
from tests.conformance.flows import AT_ONCE, Body, flow, value


async def life(run: Any, **attributes: Any) -> tuple[Any, float]:
    """What a workflow returns, and how many virtual seconds it took."""
    workflow = flow(run, **attributes)
    async with WorkflowTest(workflow) as test:
        began = test.now
        output = await (await test.start(workflow)).result()
        return output, (test.now - began).total_seconds()


def caught(body: Any, retries: Retries | None = None) -> Any:
    """A workflow that returns the error of its only step."""

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        try:
            return await step.do("body", body, retries=retries)
        except StepError as error:
            return [error.error_name, error.error_message]

    return run


@pytest.mark.parametrize("message", ["stop here", ""])
async def test_E1_F5_no_retry_after_a_non_retryable_error(message: str) -> None:
    body = Body(NonRetryableError(message))
    output, _ = await life(caught(body, AT_ONCE))
    assert output == ["NonRetryableError", message]
    assert body.calls == 1


async def test_E2_the_message_of_a_non_retryable_error_is_kept() -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        await step.do("body", Body(NonRetryableError("the very words")))

    with pytest.raises(DidNotComplete, match="NonRetryableError: the very words"):
        await life(run)


async def test_E3_a_failure_that_is_caught_does_not_fail_the_workflow() -> None:
    body = Body(*[ValueError("bad")] * 6)
    output, _ = await life(caught(body, AT_ONCE))
    assert (output, body.calls) == (["ValueError", "bad"], 6)


async def test_E4_a_dynamic_delay_is_applied_then_it_succeeds() -> None:
    asked: list[tuple[int, str]] = []

    def delay(context: StepContext, error: Exception) -> str:
        asked.append((context.attempt, str(error)))
        return "7 seconds"

    body = Body(ConnectionError("one"), ConnectionError("two"))
    retries = Retries(limit=5, delay=delay, backoff="linear")
    assert await life(caught(body, retries)) == ("done", 7 + 14)
    assert asked == [(1, "one"), (2, "two")]


@pytest.mark.parametrize(("delay", "shown"), [(lambda _c, _e: 1, None), (5, 5)])
async def test_E6_a_dynamic_delay_is_hidden_and_a_static_one_shown(delay: Any, shown: Any) -> None:
    seen: list[StepContext] = []

    def body(context: StepContext) -> None:
        seen.append(context)

    await life(caught(body, Retries(delay=delay)))
    assert seen[0].retries.delay == shown


async def test_E7_everything_is_recovered_when_memory_is_gone() -> None:
    body = Body(ConnectionError("one"))

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        first = await step.do("first", value, 1)
        second = await step.do("body", body, retries=Retries(limit=2, delay="1 hour"))
        return [first, second]

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        await test.run_until_idle()
        test.crash()
        assert await handle.result() == [1, "done"]
        assert (body.calls, test.ran_again) == (2, [])


async def async_delay(_context: StepContext, _error: Exception) -> int:
    return 2_000


@pytest.mark.parametrize("delay", [lambda _c, _e: "2 seconds", async_delay])
async def test_D5_D6_a_delay_is_given_at_once_or_awaited(delay: Any) -> None:
    body = Body(ConnectionError("one"))
    assert await life(caught(body, Retries(delay=delay))) == ("done", 2)


def raises(_context: StepContext, _error: Exception) -> int:
    raise KeyError("no such delay")


async def rejects(_context: StepContext, _error: Exception) -> int:
    raise KeyError("no such delay")


def nonsense(_context: StepContext, _error: Exception) -> Any:
    return "5 bananas"


@pytest.mark.parametrize("delay", [raises, rejects, nonsense])
async def test_D8_D9_a_delay_function_that_fails_ends_the_step(delay: Any) -> None:
    body = Body(*[ConnectionError("one")] * 3)
    output, _ = await life(caught(body, Retries(limit=5, delay=delay)))
    assert output[0] == "RetryDelayFailed"
    assert "ConnectionError: one" in output[1]
    assert body.calls == 1


@pytest.mark.parametrize(
    ("backoff", "seconds"), [("constant", 30), ("linear", 60), ("exponential", 70)]
)
async def test_A4_delays_grow_as_said(backoff: str, seconds: int) -> None:
    body = Body(*[ConnectionError("again")] * 3)
    retries = Retries(limit=3, delay="10 seconds", backoff=backoff)
    assert await life(caught(body, retries)) == ("done", seconds)


def asks_for(steps: int) -> Any:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        for _ in range(steps):
            await step.sleep("free", 0)
            await step.do("counted", value)
        return "within"

    return run


async def test_L1_more_steps_than_the_limit_fail_the_instance() -> None:
    assert (await life(asks_for(5), steps_max=5))[0] == "within"
    with pytest.raises(DidNotComplete, match="more than 5 steps"):
        await life(asks_for(6), steps_max=5)


async def test_L3_the_default_limit_applies_when_none_is_set() -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        await step.map("counted", value, range(10_001))

    with pytest.raises(DidNotComplete, match="more than 10000 steps"):
        await life(run)
