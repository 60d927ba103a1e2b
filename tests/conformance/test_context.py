"""X: what a step body is told."""
# ruff: noqa: N802 - test ids begin with the letters of the reference behaviour

from typing import Any

from stepwell.streams import Retries, Step, StepContext, WorkflowEvent
from stepwell.streams.testing import WorkflowTest
from tests.conformance.flows import flow

DELAYED = Retries(limit=3, delay="10 seconds", backoff="constant")


async def contexts(run: Any) -> tuple[list[StepContext], float]:
    """What the body `seen` of a workflow was told, and how long it took in virtual seconds."""
    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        began = test.now
        handle = await test.start(workflow)
        return await handle.result(), (test.now - began).total_seconds()


def remember(seen: list[StepContext], failures: int = 0) -> Any:
    def body(context: StepContext) -> None:
        seen.append(context)
        if len(seen) <= failures:
            raise ConnectionError("again")

    return body


async def test_X1_the_attempt_is_1_at_first_success_and_X5_name_and_count_are_told() -> None:
    seen: list[StepContext] = []

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("name", remember(seen))

    await contexts(run)
    assert [(it.attempt, it.step, it.occurrence) for it in seen] == [(1, "name", 1)]


async def test_X2_the_attempt_is_told_and_X3_delays_are_waited_for() -> None:
    seen: list[StepContext] = []

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("name", remember(seen, failures=2), retries=DELAYED)

    _, seconds = await contexts(run)
    assert [it.attempt for it in seen] == [1, 2, 3]
    assert seconds == 20


async def test_X4_delays_are_skipped_when_they_are_disabled() -> None:
    seen: list[StepContext] = []

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("name", remember(seen, failures=2), retries=DELAYED)

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        test.disable_retry_delays()
        began = test.now
        await (await test.start(workflow)).result()
        assert (test.now - began).total_seconds() == 0


async def test_X6_the_count_rises_for_repeated_names() -> None:
    seen: list[StepContext] = []

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        for name in ("a", "b", "a", "a"):
            await step.do(name, remember(seen))

    await contexts(run)
    told = [(it.step, it.occurrence) for it in seen]
    assert told == [("a", 1), ("b", 1), ("a", 2), ("a", 3)]
    assert len({it.idempotency_key for it in seen}) == 4


async def test_X7_defaults_are_shown() -> None:
    seen: list[StepContext] = []

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("name", remember(seen))

    await contexts(run)
    assert seen[0].retries == Retries(limit=5, delay="10 seconds", backoff="exponential")
    assert seen[0].timeout_ms == 600_000


async def test_X8_what_is_given_is_merged_with_defaults() -> None:
    seen: list[StepContext] = []

    async def run(event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("one", remember(seen), timeout="30 seconds")
        await step.do("two", remember(seen), retries=Retries(limit=1))

    await contexts(run)
    assert [(it.retries.limit, it.timeout_ms) for it in seen] == [(5, 30_000), (1, 600_000)]
