"""The subset that holds on the engine alone and through a real worker, on any broker.

Whoever provides another `harness` gives it `start`, `send`, `status` and `result`, and a worker
with the workflows of `shared.SHARED`.
"""
# ruff: noqa: N802 - test ids begin with the letters of the reference behaviour

from typing import Any

from tests.conformance.shared import Endless, Failing, Family, Listening, Ordered


async def test_H2_E1_E3_steps_a_sleep_and_a_failure_that_is_caught(harness: Any) -> None:
    await harness.start(Ordered, 4, "ordered-1")
    assert await harness.result("ordered-1") == [8, "no"]


async def test_H7_V2_events_in_turn(harness: Any) -> None:
    await harness.start(Listening, None, "listening-1")
    for number in (1, 2):
        assert await harness.status("listening-1", "waiting") == "waiting"
        await harness.send("listening-1", "send_event", event_type="go", payload=number)
    assert await harness.result("listening-1") == [1, 2]


async def test_H10_H11_pause_and_resume(harness: Any) -> None:
    await harness.start(Listening, None, "listening-2")
    await harness.status("listening-2", "waiting")
    await harness.send("listening-2", "pause")
    assert await harness.status("listening-2", "paused") == "paused"
    for number in (1, 2):
        await harness.send("listening-2", "send_event", event_type="go", payload=number)
    await harness.send("listening-2", "resume")
    assert await harness.result("listening-2") == [1, 2]


async def test_H5_Y6_terminate_and_restart(harness: Any) -> None:
    await harness.start(Listening, None, "listening-3")
    await harness.status("listening-3", "waiting")
    await harness.send("listening-3", "terminate")
    assert await harness.status("listening-3", "terminated") == "terminated"
    await harness.send("listening-3", "restart")
    assert await harness.status("listening-3", "waiting") == "waiting"


async def test_H3_R1_a_failure_is_rolled_back(harness: Any) -> None:
    await harness.start(Failing, None, "failing-1")
    assert await harness.status("failing-1", "errored") == "errored"


async def test_children_report_to_their_parents(harness: Any) -> None:
    await harness.start(Family, 3, "family-1")
    assert await harness.result("family-1") == ["parent", [6, "no"]]


async def test_a_run_continues_as_a_new_one(harness: Any) -> None:
    await harness.start(Endless, 1, "endless-1")
    assert await harness.result("endless-1") == 8
