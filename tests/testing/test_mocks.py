"""What a test can change about instances: results, errors, timeouts, sleeps, delays, events."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from stepwell.streams import (
    NonRetryableError,
    Step,
    StepContext,
    StepError,
    Workflow,
    WorkflowEvent,
)
from stepwell.streams.engine.workflow import StreamResult
from stepwell.streams.testing import DidNotComplete, MockedTwice, Unreachable, WorkflowTest

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Charge(Workflow):
    """Charges a card, waits, and asks for approval."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> str:
        paid = await step.do("charge", self.charge, event.payload)
        await step.sleep("settle", "2 days")
        approval = await step.wait_for_event("approval", type="approval", timeout="1 day")
        return f"{paid} {approval.payload}"

    async def charge(self, amount: int, context: StepContext) -> str:
        return f"paid {amount} at attempt {context.attempt}"


class Twice(Workflow):
    async def run(self, event: WorkflowEvent[None], step: Step) -> list[int]:
        return [await step.do("number", self.number) for _ in range(3)]

    async def number(self) -> int:
        return 1


class Streams(Workflow):
    async def run(self, event: WorkflowEvent[None], step: Step) -> str:
        stream = await step.do("talk", self.talk)
        again = "".join([str(chunk) async for chunk in stream])
        return f"{stream.read()!r} {again}"

    async def talk(self) -> AsyncIterator[str]:
        yield "real "
        yield "words"


class Secret(Workflow):
    async def run(self, event: WorkflowEvent[None], step: Step) -> int:
        token = await step.do("token", self.token, sensitive=True)
        return len(token)

    async def token(self) -> str:
        return "hush"


def charging(**options: object) -> WorkflowTest:
    return WorkflowTest(Charge, start=NOON, **options)  # type: ignore[arg-type]


async def test_a_mocked_result_stands_for_the_body():
    async with charging() as test:
        test.mock_step_result("charge", "free")
        test.mock_event("approval", "yes")
        handle = await test.start(Charge, 5)
        assert await handle.result() == "free yes"
        assert await handle.wait_for_step_result("charge") == "free"


async def test_one_occurrence_can_be_mocked():
    async with WorkflowTest(Twice) as test:
        test.mock_step_result("number", 7, occurrence=2)
        assert await (await test.start(Twice)).result() == [1, 7, 1]
        test.mock_step_result("number", 9)
        assert await (await test.start(Twice)).result() == [9, 7, 9]


async def test_an_error_may_be_mocked_a_number_of_times():
    async with charging() as test:
        test.mock_step_error("charge", ConnectionError("down"), times=2)
        test.disable_retry_delays()
        handle = await test.start(Charge, 5)
        assert await handle.wait_for_step_result("charge") == "paid 5 at attempt 3"
        assert test.now == NOON


async def test_an_error_may_be_mocked_for_good():
    async with charging() as test:
        test.mock_step_error("charge", NonRetryableError("refused"))
        handle = await test.start(Charge, 5)
        with pytest.raises(StepError, match="NonRetryableError: refused"):
            await handle.wait_for_step_result("charge")
        with pytest.raises(DidNotComplete, match="refused"):
            await handle.result()
        assert handle.error is not None
        assert handle.error.name == "NonRetryableError"


async def test_a_step_can_be_made_to_time_out():
    async with charging() as test:
        test.force_step_timeout("charge", times=1)
        handle = await test.start(Charge, 5)
        await test.run_until_idle()
        assert handle.steps[0].error == "StepTimeout: the attempt did not finish within 600000 ms"
        assert await handle.wait_for_step_result("charge") == "paid 5 at attempt 2"


@pytest.mark.parametrize("names", [None, ["settle"]])
async def test_disabled_sleeps_take_no_time(names: list[str] | None):
    async with charging() as test:
        test.disable_sleeps(names)
        handle = await test.start(Charge, 5)
        await handle.wait_for_step_result("charge")
        await test.run_until_idle()
        assert [step.status for step in handle.steps] == ["complete", "complete", "waiting"]
        assert test.now == NOON


async def test_other_sleeps_take_their_time():
    async with charging() as test:
        test.disable_sleeps(["another"])
        handle = await test.start(Charge, 5)
        await test.run_until_idle()
        assert [step.status for step in handle.steps] == ["complete", "sleeping"]


async def test_a_wait_can_be_made_to_time_out():
    async with charging(auto_advance=False) as test:
        test.disable_sleeps()
        test.force_event_timeout("approval")
        with pytest.raises(DidNotComplete, match="EventTimeout"):
            await (await test.start(Charge, 5)).result()


async def test_a_second_mock_of_a_step_is_refused():
    async with charging() as test:
        test.mock_step_result("charge", "free")
        with pytest.raises(MockedTwice, match="'charge' has a mock already"):
            test.mock_step_error("charge", RuntimeError())
        handle = await test.start(Charge, 5)
        with pytest.raises(MockedTwice):
            handle.force_step_timeout("charge")


async def test_mocks_of_a_test_are_for_instances_created_later():
    async with charging() as test:
        before = await test.start(Charge, 5)
        test.mock_step_result("charge", "free")
        after = await test.start(Charge, 5)
        assert await before.wait_for_step_result("charge") == "paid 5 at attempt 1"
        assert await after.wait_for_step_result("charge") == "free"


async def test_one_instance_or_one_workflow_can_be_changed():
    async with WorkflowTest(Charge, Twice) as test:
        test.introspect(Twice).mock_step_result("number", 2)
        one, other, twice = [
            await test.start(Charge, 5),
            await test.start(Charge, 5),
            await test.start(Twice),
        ]
        one.mock_step_result("charge", "free")
        one.mock_event("approval", "yes")
        assert await one.result() == "free yes"
        assert await other.wait_for_step_result("charge") == "paid 5 at attempt 1"
        assert await twice.result() == [2, 2, 2]


async def test_mocks_last_through_restarts_and_crashes():
    async with charging() as test:
        test.mock_step_result("charge", "free")
        test.mock_event("approval", "yes")
        handle = await test.start(Charge, 5)
        await handle.result()
        await handle.restart()
        await handle.wait_for_status("waiting")
        test.crash()
        assert await handle.result() == "free yes"
        await handle.restart(from_step="charge")
        assert await handle.result() == "free yes"


async def test_disposed_mocks_are_gone():
    async with charging() as test:
        test.mock_step_result("charge", "free")
        test.dispose()
        test.mock_step_result("charge", "cheap")
        handle = await test.start(Charge, 5)
        handle.dispose()
        assert await handle.wait_for_step_result("charge") == "paid 5 at attempt 1"


async def chunks() -> AsyncIterator[str]:
    yield "mocked "
    yield "stream"


@pytest.mark.parametrize("stream", [StreamResult(("mocked ", "stream")), chunks()])
async def test_a_stream_can_be_mocked_and_read_again_after_a_restart(stream: AsyncIterator[str]):
    async with WorkflowTest(Streams) as test:
        test.mock_step_result("talk", stream)
        handle = await test.start(Streams)
        assert await handle.result() == "'mocked stream' mocked stream"
        await handle.restart()
        assert await handle.result() == "'mocked stream' mocked stream"
        read = await handle.wait_for_step_result("talk")
        assert [chunk async for chunk in read] == ["mocked ", "stream"]


async def test_a_real_stream_can_be_waited_for():
    async with WorkflowTest(Streams) as test:
        handle = await test.start(Streams)
        assert (await handle.wait_for_step_result("talk")).read() == "real words"


async def test_a_sensitive_result_is_shown_to_the_workflow_only():
    async with WorkflowTest(Secret) as test:
        handle = await test.start(Secret)
        assert await handle.wait_for_step_result("token") == "[redacted]"
        assert await handle.result() == 4


async def test_a_step_that_never_comes_is_an_error():
    async with WorkflowTest(Twice) as test:
        handle = await test.start(Twice)
        with pytest.raises(Unreachable, match="step number-4 did not end in this run"):
            await handle.wait_for_step_result("number", 4)


async def test_mocked_events_come_in_their_order():
    async with charging() as test:
        test.disable_sleeps()
        test.mock_event("approval", "first")
        test.mock_event("approval", "second")
        handle = await test.start(Charge, 5)
        assert (await handle.result()).endswith("first")
        assert [event.taken_by for event in handle.events] == ["wait approval-1", None]


async def test_instances_at_the_same_time_do_not_share_what_is_theirs():
    async with WorkflowTest(Twice) as test:
        handles = [await test.start(Twice) for _ in range(3)]
        for number, handle in enumerate(handles):
            handle.mock_step_result("number", number)
        results = await asyncio.gather(*(handle.result() for handle in handles))
        assert results == [[0] * 3, [1] * 3, [2] * 3]
