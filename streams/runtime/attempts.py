"""Carries out one attempt of a step body: calls it, limits its time, and makes its records.

The two edges to user code are here: what a body raises is the end of its attempt, and what a retry
delay function raises is the end of its step.
"""

import asyncio
import inspect
from collections.abc import AsyncIterable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from contextvars import copy_context
from dataclasses import dataclass
from functools import lru_cache, partial
from random import Random
from typing import Any, get_type_hints

import numpy as np

from stepwell.schemas import codec
from stepwell.schemas.journal import InstanceKey, StepRecord, StreamChunk
from stepwell.schemas.values import NotSerialisable
from stepwell.streams.engine.attempt import Attempt
from stepwell.streams.engine.durations import to_ms
from stepwell.streams.engine.errors import (
    InvalidDefinition,
    NonRetryableError,
    ResultTooLarge,
    StepTimeout,
    describe_error,
)
from stepwell.streams.engine.limits import (
    RESULT_BYTES_MAX,
    STREAM_BYTES_MAX,
    STREAM_CHUNK_BYTES_MAX,
)
from stepwell.streams.engine.retry import RetryDelayFailed
from stepwell.streams.engine.settling import STREAM_TAG
from stepwell.streams.engine.workflow import StepContext
from stepwell.streams.runtime.clock import Clock

Emit = Callable[[StreamChunk, bytes], None]
"""Takes a chunk and its encoded form; raises `asyncio.CancelledError` if nobody wants it."""


class InvalidStream(NonRetryableError):
    """A body yielded what cannot be stored; the message names the step, the rule and the chunk."""

    def __init__(self, step: str, problem: str) -> None:
        super().__init__(f"step {step!r} {problem}")


@dataclass(frozen=True, slots=True)
class Attempts:
    """What carrying out attempts takes."""

    clock: Clock
    random: Random
    threads: ThreadPoolExecutor
    """Runs bodies that are plain functions."""
    delay_threads: ThreadPoolExecutor
    """Runs delay functions: they must not wait for bodies."""
    delay_budget_ms: int

    async def carry_out(
        self, attempt: Attempt, instance: InstanceKey, emit: Emit
    ) -> tuple[StepRecord, bytes]:
        """Run the body once; the record of how it ended, and its encoded form."""
        timeout_ms = attempt.step.options.timeout_ms

        def emit_in_time(chunk: StreamChunk, raw: bytes) -> None:
            if limit.expired():
                raise StepTimeout(timeout_ms)
            emit(chunk, raw)

        try:
            async with asyncio.timeout(timeout_ms / 1000) as limit:
                result = await self._call(attempt, instance, emit_in_time)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge to user code
            late = StepTimeout(timeout_ms) if limit.expired() else error
            return await self.failure(attempt, instance, late)
        if limit.expired():  # the body went on although it was cancelled
            return await self.failure(attempt, instance, StepTimeout(timeout_ms))
        record = attempt.succeeded(result, self.clock())
        try:
            raw = codec.encode(record)
        except NotSerialisable as error:
            return await self.failure(attempt, instance, error)
        if len(raw) > RESULT_BYTES_MAX:
            return await self.failure(attempt, instance, ResultTooLarge(len(raw)))
        return record, raw

    async def failure(
        self, attempt: Attempt, instance: InstanceKey, error: BaseException
    ) -> tuple[StepRecord, bytes]:
        """The record of an attempt that ended with this error."""
        retryable = not isinstance(error, NonRetryableError | NotSerialisable)
        delay_ms = None
        if retryable and not attempt.is_last:
            try:
                delay_ms = await self._delay_ms(attempt, instance, error)
            except RetryDelayFailed as failed:
                error, retryable = failed, False
        record = attempt.failed(
            describe_error(error), self.clock(), retryable=retryable, delay_ms=delay_ms
        )
        return record, codec.encode(record)

    async def _call(self, attempt: Attempt, instance: InstanceKey, emit: Emit) -> object:
        step = attempt.step
        in_loop, context_name = _signature(getattr(step.function, "__func__", step.function))
        options = {context_name: _context(attempt, instance)} if context_name else {}
        if in_loop:
            result = step.function(*step.args, **options)
        else:
            result = await _in_thread(self.threads, partial(step.function, *step.args, **options))
        if inspect.isawaitable(result):
            result = await result
        if isinstance(result, AsyncIterable):
            result = {STREAM_TAG: await self._stream(attempt, result, emit)}
        return result

    async def _stream(self, attempt: Attempt, chunks: AsyncIterable[object], emit: Emit) -> int:
        """Emit every chunk as it comes; how many there were."""
        step = attempt.step.key.name
        count = 0
        kind: type | None = None
        bytes_left = STREAM_BYTES_MAX
        async with AsyncExitStack() as stack:
            if inspect.isasyncgen(chunks):
                if chunks.ag_frame is None or chunks.ag_running:
                    raise InvalidStream(step, "gave back a generator that was already used")
                stack.push_async_callback(chunks.aclose)
            async for chunk in chunks:
                data, size = _measured(step, count, chunk)
                if kind not in (None, type(data)):
                    raise InvalidStream(step, f"yielded both bytes and text: chunk {count}")
                kind = type(data)
                bytes_left -= size
                if bytes_left < 0:
                    raise InvalidStream(
                        step,
                        f"yielded more than {STREAM_BYTES_MAX} bytes in all: put them in a "
                        "`BlobStore` (stepwell.streams.blobs) and return its reference",
                    )
                record = attempt.chunk(count, data, self.clock())
                raw = codec.encode(record)
                if len(raw) > RESULT_BYTES_MAX:
                    raise ResultTooLarge(len(raw))  # text may take six times its size in JSON
                emit(record, raw)
                count += 1
                await asyncio.sleep(0)  # a body that never waits must not hold up the others
        return count

    async def _delay_ms(self, attempt: Attempt, instance: InstanceKey, error: BaseException) -> int:
        retries, chance = attempt.step.options.retries, self.random.random()
        function = retries.delay
        if not callable(function):
            return retries.delay_ms(attempt.step.attempt, chance=chance)
        call = partial(function, _context(attempt, instance), error)  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(self.delay_budget_ms / 1000) as limit:
                delay: Any = await self._ask(function, call)
            base_ms = to_ms(delay)
        except InvalidDefinition as invalid:
            problem = f"gave {delay!r}: {invalid}"
        except (Exception, SystemExit, asyncio.CancelledError) as raised:
            if _is_cancelled():
                raise
            info = describe_error(raised)
            late = f"took longer than {self.delay_budget_ms} ms"
            problem = late if limit.expired() else f"raised {info.name}: {info.message}"
        else:
            return retries.delay_ms(attempt.step.attempt, base_ms=base_ms, chance=chance)
        raise RetryDelayFailed(attempt.step.key.name, problem, describe_error(error)) from None

    async def _ask(self, function: Callable[..., Any], call: Callable[[], object]) -> object:
        in_loop = inspect.iscoroutinefunction(function)
        delay = call() if in_loop else await _in_thread(self.delay_threads, call)
        return await delay if inspect.isawaitable(delay) else delay


def _context(attempt: Attempt, instance: InstanceKey) -> StepContext:
    step = attempt.step
    return StepContext(
        step=step.key.name,
        occurrence=step.key.occurrence,
        attempt=step.attempt,
        idempotency_key=f"{instance}/{attempt.run}/{step.key}",
        owner_epoch=attempt.epoch,
        retries=step.options.retries.shown(),
        timeout_ms=step.options.timeout_ms,
    )


def _measured(step: str, index: int, chunk: object) -> tuple[bytes | str, int]:
    """What is stored of a chunk, text or the bytes of it, and how many bytes that is."""
    if isinstance(chunk, bytearray | memoryview | np.ndarray):
        chunk = bytes(chunk)
    if not isinstance(chunk, bytes | str):
        kind = type(chunk).__name__
        raise InvalidStream(step, f"yielded {kind} as chunk {index}: a chunk is bytes or text")
    size = len(chunk.encode() if isinstance(chunk, str) else chunk)
    if size > STREAM_CHUNK_BYTES_MAX:
        raise InvalidStream(
            step, f"yielded {size} bytes as chunk {index}: the limit is {STREAM_CHUNK_BYTES_MAX}"
        )
    return chunk, size


def _is_cancelled() -> bool:
    """Whether somebody has cancelled the current task, not user code itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _in_thread(threads: ThreadPoolExecutor, call: Callable[[], object]) -> object:
    context = copy_context()

    def run() -> object:
        try:
            return context.run(call)
        except StopIteration as error:  # a future would never take it
            raise RuntimeError("the function raised StopIteration") from error

    return await asyncio.get_running_loop().run_in_executor(threads, run)


@lru_cache(maxsize=4096)
def _signature(function: Callable[..., object]) -> tuple[bool, str | None]:
    """Whether to call the function in the loop, and the name of its `StepContext` parameter."""
    in_loop = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    if not getattr(function, "__annotations__", None):
        return in_loop, None
    hints = get_type_hints(function).items()
    return in_loop, next((name for name, hint in hints if hint is StepContext), None)
