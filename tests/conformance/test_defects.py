"""A11: defects of the open engine, of which ours must have none."""
# ruff: noqa: N802 - test ids begin with the letters of the reference behaviour

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from stepwell.streams import NonRetryableError, Retries, Step, StepError, WorkflowEvent
from stepwell.streams.errors import InstanceExists, InvalidInstanceId
from stepwell.streams.testing import WorkflowTest, crash_everywhere
from tests.conformance.flows import AT_ONCE, Body, flow, value


async def test_A11_1_an_attempt_that_a_crash_lost_is_made_again() -> None:
    ran: list[int] = []

    async def body() -> str:
        ran.append(1)
        if len(ran) == 1:
            test.crash()
        return "done"

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        return await step.do("body", body, retries=Retries(limit=0, delay=0))

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        assert await handle.result() == "done"
        assert len(ran) == 2


async def test_A11_2_a_non_retryable_failure_that_was_caught_is_not_run_again() -> None:
    body = Body(NonRetryableError("no"))

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        try:
            await step.do("body", body)
        except StepError as error:
            await step.sleep("long", "1 hour")
            return error.error_message

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        await handle.wait_for_status("waiting")
        test.crash()
        assert await handle.result() == "no"
        assert body.calls == 1


async def test_A11_3_sleep_until_is_the_same_sleep_after_a_replay_even_when_it_has_passed() -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        await step.sleep_until("then", event.timestamp + timedelta(hours=1))
        await step.do("after", value)
        await step.sleep_until("passed", event.timestamp)
        await step.sleep("again", "1 hour")
        return "end"

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        began = test.now
        handle = await test.start(workflow)
        await handle.wait_for_status("waiting")
        test.crash()
        assert await handle.result() == "end"
        assert test.now - began == timedelta(hours=2)


@pytest.mark.parametrize("count", [3, 25])
async def test_A11_4_buffered_events_are_taken_once_in_their_order_across_crashes(
    count: int,
) -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        await step.sleep("let them pile up", "1 minute")
        taken = []
        for _ in range(count):
            taken.append((await step.wait_for_event("next", type="n")).payload)
            await step.sleep("breath", "1 second")
        return taken

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        await handle.wait_for_status("waiting")
        for number in range(count):
            await handle.send_event("n", number, event_id=f"n{number}")
            await handle.send_event("n", number, event_id=f"n{number}")
        for _ in range(count // 3):
            await test.advance("2 seconds")
            test.crash()
        assert await handle.result() == list(range(count))


async def test_A11_4_events_pass_into_the_next_run_once() -> None:
    async def run(event: WorkflowEvent[list[int]], step: Step) -> Any:
        if len(event.payload) == 5:
            return event.payload
        race = await step.race(
            step.wait_for_event("never", type="n", match={"id": -1}),
            step.wait_for_event("next", type="n"),
        )
        return step.continue_as_new([*event.payload, race.value.payload["id"]])

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow, [])
        for number in range(5):
            await handle.send_event("n", {"id": number}, event_id=f"n{number}")
            await handle.send_event("n", {"id": number}, event_id=f"n{number}")
        assert await handle.result() == [0, 1, 2, 3, 4]


async def test_A11_5_a_duplicate_id_is_refused_and_so_is_a_long_one() -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        return (await step.wait_for_event("go", type="go")).payload

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow, id="one")
        for _ in range(2):
            with pytest.raises(InstanceExists) as refused:
                await test.start(workflow, id="one")
            assert refused.value.code == "instance.already_exists"
            await handle.wait_for_status("waiting")
        with pytest.raises(InvalidInstanceId):
            await test.start(workflow, id="x" * 101)


async def test_A11_6_a_dynamic_delay_outlives_a_crash() -> None:
    body = Body(ConnectionError("one"))

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        return await step.do("body", body, retries=Retries(delay=lambda _c, _e: "1 hour"))

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        began = test.now
        handle = await test.start(workflow)
        await test.run_until_idle()
        test.crash()
        assert await handle.result() == "done"
        assert test.now - began == timedelta(hours=1)


async def test_A11_6_a_body_that_timed_out_is_cancelled_before_the_retry() -> None:
    events: list[str] = []

    async def body() -> str:
        events.append("starts")
        if events.count("starts") == 2:
            return "done"
        try:
            await asyncio.Event().wait()
        finally:
            events.append("cancelled")
        return "late"

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        return await step.do("body", body, timeout=20, retries=AT_ONCE)

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        assert await (await test.start(workflow)).result() == "done"
    assert events == ["starts", "cancelled", "starts"]


async def test_A11_7_waits_of_one_type_are_told_apart_by_match() -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        waits = [
            step.wait_for_event("paid", type="paid", match={"order.id": number})
            for number in range(3)
        ]
        return [it.payload["order"]["by"] for it in await asyncio.gather(*waits)]

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        for number, name in ((2, "cleo"), (9, "nobody"), (0, "ada"), (1, "bob")):
            await handle.send_event("paid", {"order": {"id": number, "by": name}})
        assert await handle.result() == ["ada", "bob", "cleo"]


async def test_A11_7_it_ends_the_same_when_killed_between_any_two_writes() -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        first, second = await asyncio.gather(
            step.do("first", value, 1), step.do("second", value, 2)
        )
        await step.sleep("nap", "1 hour")
        note = await step.wait_for_event("note", type="note")
        return [first, second, note.payload, await step.do("last", value, 3)]

    workflow = flow(run)

    async def scenario(test: WorkflowTest) -> Any:
        test.mock_event("note", "sent")
        return await (await test.start(workflow)).result()

    assert await crash_everywhere(lambda: WorkflowTest(workflow), scenario) == [1, 2, "sent", 3]
