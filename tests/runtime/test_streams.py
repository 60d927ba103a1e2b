"""Step bodies that yield: each chunk is a record at once, the result says how many there are."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from stepwell.schemas.journal import AttemptFailed, StepFailed, StepRecord, StepSucceeded
from stepwell.streams.runtime import attempts
from tests.runtime.bench import Bench


async def run(bench: Bench, body: Any, **changes: Any) -> tuple[StepRecord, list[Any]]:
    """How the body ended, and what it had yielded before."""
    end = await bench.run(body, name="write", **changes)
    chunks = [bench.chunks.get_nowait() for _ in range(bench.chunks.qsize())]
    assert [chunk.index for chunk in chunks] == [*range(len(chunks))]
    return end, [chunk.data for chunk in chunks]


async def test_chunks_are_reported_in_order_and_counted_by_the_result(bench: Bench) -> None:
    async def body() -> AsyncIterator[str]:
        for word in ("to", "be"):
            yield word

    end, chunks = await run(bench, body)
    assert isinstance(end, StepSucceeded)
    assert (end.result, chunks) == ({"$stream": 2}, ["to", "be"])


async def test_a_chunk_is_reported_while_the_body_still_writes(bench: Bench) -> None:
    gate = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await gate.wait()
        yield b"second"

    bench.submit(body)
    chunk = await bench.chunks.get()
    assert (chunk.data, chunk.attempt, chunk.epoch) == (b"first", 1, 7)
    assert bench.records.empty()
    gate.set()
    assert (await bench.records.get()).result == {"$stream": 2}


async def test_nothing_yielded_is_a_stream_too(bench: Bench) -> None:
    async def body() -> AsyncIterator[str]:
        for word in ():
            yield word

    end, chunks = await run(bench, body)
    assert (end.result, chunks) == ({"$stream": 0}, [])


async def test_an_iterator_that_a_function_gives_back_is_a_stream_too(bench: Bench) -> None:
    async def words(*them: str) -> AsyncIterator[str]:
        for word in them:
            yield word

    async def body() -> AsyncIterator[str]:
        return words("to", "be")

    assert (await run(bench, body))[1] == ["to", "be"]
    assert (await run(bench, lambda: words("or", "not")))[1] == ["or", "not"]


async def test_anything_made_of_bytes_is_stored_as_bytes(bench: Bench) -> None:
    async def body() -> AsyncIterator[Any]:
        yield bytearray(b"ab")
        yield memoryview(b"xcdx")[1:3]
        yield np.arange(3, dtype=np.uint8)[::2]

    assert (await run(bench, body))[1] == [b"ab", b"cd", b"\x00\x02"]


async def unsupported() -> AsyncIterator[Any]:
    yield "fine"
    yield {"no": "chunk"}


async def mixed() -> AsyncIterator[Any]:
    yield "text"
    yield b"bytes"


async def oversize() -> AsyncIterator[Any]:
    yield "fine"
    yield "é" * (128 * 1024 + 1)


async def bulky_in_json() -> AsyncIterator[str]:
    yield "fine"
    yield "\x00" * (256 * 1024)


@pytest.mark.parametrize(
    ("body", "name", "problem"),
    [
        (unsupported, "InvalidStream", "step 'write' yielded dict as chunk 1"),
        (mixed, "InvalidStream", "yielded both bytes and text: chunk 1"),
        (oversize, "InvalidStream", "yielded 262146 bytes as chunk 1: the limit is 262144"),
        (bulky_in_json, "ResultTooLarge", "the limit is 1048576"),
    ],
)
async def test_a_chunk_that_cannot_be_stored_fails_the_step(
    bench: Bench, body: Any, name: str, problem: str
) -> None:
    end, chunks = await run(bench, body)
    assert isinstance(end, StepFailed)
    assert (end.error.name, len(chunks)) == (name, 1)
    assert problem in end.error.message


async def test_a_stream_above_the_limit_fails_the_step(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "STREAM_BYTES_MAX", 10)

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield b"four"

    end, chunks = await run(bench, body)
    assert (type(end), len(chunks)) == (StepFailed, 2)
    assert "more than 10 bytes in all" in end.error.message
    assert "BlobStore" in end.error.message


async def test_a_generator_that_was_already_used_fails_the_step(bench: Bench) -> None:
    async def words() -> AsyncIterator[str]:
        yield "to"

    used = words()
    assert [word async for word in used] == ["to"]
    end, _ = await run(bench, lambda: used)
    assert (type(end), end.error.name) == (StepFailed, "InvalidStream")


async def test_a_failure_while_writing_is_tried_again_and_begins_at_the_first_chunk(
    bench: Bench,
) -> None:
    async def breaks() -> AsyncIterator[str]:
        yield "half"
        raise OSError("the line is down")

    end, chunks = await run(bench, breaks)
    assert (type(end), chunks) == (AttemptFailed, ["half"])
    end, chunks = await run(bench, breaks, attempt=2)
    assert (end.attempt, chunks) == (2, ["half"])


async def test_a_timeout_while_writing_closes_the_body(bench: Bench) -> None:
    closed = asyncio.Event()

    async def body() -> AsyncIterator[str]:
        try:
            yield "half"
            await asyncio.Event().wait()
        finally:
            closed.set()

    end, chunks = await run(bench, body, timeout_ms=20)
    assert (type(end), end.error.name, chunks) == (AttemptFailed, "StepTimeout", ["half"])
    assert closed.is_set()


async def test_chunks_after_the_timeout_are_refused(bench: Bench) -> None:
    async def stubborn() -> AsyncIterator[str]:
        yield "in time"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield "too late"

    end, chunks = await run(bench, stubborn, timeout_ms=20)
    assert (end.error.name, chunks) == ("StepTimeout", ["in time"])


async def test_a_body_that_never_waits_holds_up_nobody_and_ends_in_time(bench: Bench) -> None:
    async def endless() -> AsyncIterator[str]:
        while True:
            yield "x"

    end, _ = await run(bench, endless, timeout_ms=20)
    assert end.error.name == "StepTimeout"


async def test_a_cancelled_body_reports_no_further_chunk(bench: Bench) -> None:
    writing, ended = asyncio.Event(), asyncio.Event()

    async def stubborn() -> AsyncIterator[str]:
        yield "before"
        writing.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield "after"
        finally:
            ended.set()

    job = bench.submit(stubborn)
    await writing.wait()
    assert (await bench.chunks.get()).data == "before"
    bench.cancel(job)
    await ended.wait()
    assert await bench.bodies.cancel_owner("me", timeout_ms=5_000) == 0
    assert bench.chunks.empty()
    assert bench.records.empty()
