"""S: results that are streams; B: bytes and arrays; P: results that are shown to nobody."""
# ruff: noqa: N802 - test ids begin with the letters of the reference behaviour

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from stepwell.streams import Retries, Step, WorkflowEvent
from stepwell.streams.engine.limits import STREAM_CHUNK_BYTES_MAX
from stepwell.streams.engine.workflow import StreamResult
from stepwell.streams.testing import DidNotComplete, WorkflowTest
from stepwell.streams.views import REDACTED
from tests.conformance.flows import flow, value

ONCE = Retries(limit=0, delay=0)


async def outcome(run: Any, prepare: Any = None) -> Any:
    """What a workflow returns, crashed and replayed at every wait."""
    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        if prepare:
            prepare(test)
        return await (await test.start(workflow)).result()


def streaming(*chunks: Any) -> Any:
    async def body() -> AsyncIterator[Any]:
        for chunk in chunks:
            yield chunk

    return body


async def test_S1_a_stream_is_stored_and_replayed() -> None:
    ran: list[int] = []

    async def body() -> AsyncIterator[str]:
        ran.append(1)
        for chunk in ("one ", "two ", "three"):
            yield chunk

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        stream = await step.do("stream", body)
        await step.sleep("forgotten and replayed", "1 hour")
        return [stream.read(), [chunk async for chunk in stream]]

    assert await outcome(run) == ["one two three", ["one ", "two ", "three"]]
    assert ran == [1]


async def test_S2_an_empty_stream() -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        stream = await step.do("stream", streaming())
        await step.sleep("nap", 10)
        return [len(stream.chunks), len(stream.read())]

    assert await outcome(run) == [0, 0]


async def test_S3_a_stream_that_was_read_already_ends_the_step() -> None:
    calls: list[int] = []

    async def used() -> Any:
        calls.append(1)
        stream = streaming("x")()
        await anext(stream)
        await stream.aclose()
        return stream

    await refused(used, "already used")
    assert calls == [1]


@pytest.mark.parametrize("chunk", [7, {"a": 1}, None])
async def test_S4_a_chunk_of_another_type_ends_the_step(chunk: Any) -> None:
    await refused(streaming("fine", chunk), "a chunk is bytes or text")


async def test_S5_an_oversized_chunk_ends_the_step() -> None:
    await refused(streaming(b"x" * (STREAM_CHUNK_BYTES_MAX + 1)), "the limit is")


async def refused(body: Any, words: str) -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        await step.do("stream", body)

    with pytest.raises(DidNotComplete, match=words):
        await outcome(run)


async def test_S7_mocked_chunks_last_through_a_restart_and_S10_a_stream_can_be_a_mock() -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        return (await step.do("stream", streaming("real"))).read()

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        test.mock_step_result("stream", StreamResult(("mo", "ck")))
        handle = await test.start(workflow)
        assert await handle.result() == "mock"
        await handle.restart()
        assert await handle.result() == "mock"


async def test_S8_arrays_come_back_as_bytes() -> None:
    array = np.array([1, 2, 3], dtype=np.uint8)

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        return (await step.do("stream", streaming(array, memoryview(b"\x04")))).read()

    assert await outcome(run) == b"\x01\x02\x03\x04"


async def test_S9_waiting_for_the_result_of_a_stream_gives_one_that_can_be_read_again() -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        await step.do("stream", streaming("a", "b"))

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        stream = await handle.wait_for_step_result("stream")
        assert [stream.read(), stream.read()] == ["ab", "ab"]


async def test_S14_chunks_of_an_attempt_that_failed_are_gone() -> None:
    attempts: list[int] = []

    async def body() -> AsyncIterator[str]:
        attempts.append(1)
        yield f"attempt {len(attempts)}"
        if len(attempts) == 1:
            raise ConnectionError("half way")

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        stream = await step.do("stream", body, retries=Retries(limit=1, delay="1 second"))
        await step.sleep("nap", 10)
        return stream.read()

    assert await outcome(run) == "attempt 2"


async def stored(result: Any) -> Any:
    """A result as the next step gets it, live and after a replay."""
    seen: list[Any] = []

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        got = await step.do("make", value, result)
        await step.do("live", seen.append, got)
        await step.sleep("nap", 10)
        await step.do("replayed", seen.append, got)

    await outcome(run)
    live, replayed = seen
    np.testing.assert_array_equal(live, replayed)
    return replayed


async def test_B1_200_KB_of_bytes() -> None:
    assert await stored(b"\xfe" * 200_000) == b"\xfe" * 200_000


async def test_B2_a_view_of_200_KB_of_a_larger_buffer_stores_only_the_view() -> None:
    buffer = np.arange(800_000, dtype=np.uint8)
    got = await stored(buffer[100:200_100])
    np.testing.assert_array_equal(got, buffer[100:200_100])


async def test_B3_the_next_step_sees_the_same_live_and_after_a_replay() -> None:
    got = await stored(np.array([[1.5, 2.5], [3.5, 4.5]], dtype=np.float32))
    assert got.dtype == np.float32
    assert got.tolist() == [[1.5, 2.5], [3.5, 4.5]]


@pytest.mark.parametrize("kind", ["int8", "uint16", "int32", "float64", "int64"])
async def test_B4_the_type_of_an_array_is_kept(kind: str) -> None:
    got = await stored(np.array([1, 2, 3], dtype=kind))
    assert (str(got.dtype), got.tolist()) == (kind, [1, 2, 3])


async def test_B6_arrays_inside_lists_of_objects() -> None:
    seen: list[Any] = []

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        parts = [{"part": np.arange(n, dtype=np.uint8)[1:]} for n in (3, 4)]
        got = await step.do("make", value, parts)
        await step.do("see", seen.extend, got)

    await outcome(run)
    assert [it["part"].tolist() for it in seen] == [[1, 2], [1, 2, 3]]


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: {"inside": data}])
async def test_B7_B8_large_bytes_complete(wrap: Any) -> None:
    data = b"\x00" * 700_000

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        await step.do("make", value, wrap(data))
        return "complete"

    assert await outcome(run) == "complete"


async def sensitive_run(event: WorkflowEvent[Any], step: Step) -> Any:
    secret = await step.do("secret", value, "hunter2", sensitive=True)
    return len(await step.do("use", value, secret))


async def test_P1_P2_a_sensitive_result_is_shown_to_nobody_but_the_workflow() -> None:
    workflow = flow(sensitive_run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        assert await handle.wait_for_step_result("secret") == REDACTED
        assert await handle.result() == len("hunter2")
        assert handle.steps[0].output == REDACTED


async def test_P4_a_sensitive_stream_is_shown_to_nobody() -> None:
    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        stream = await step.do("secret", streaming("hunter", "2"), sensitive=True)
        return len(stream.read())

    workflow = flow(run)
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow)
        assert await handle.wait_for_step_result("secret") == REDACTED
        assert await handle.result() == len("hunter2")
        assert "hunter" not in repr(handle.steps)
