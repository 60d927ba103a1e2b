"""`MicroBatcher`: calls of many instances meet in one call for many items.

Knows nothing of what is called. One call is under way at a time; while it is, the next batch fills.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from stepwell.streams.errors import StepwellError

T = TypeVar("T")
R = TypeVar("R")


class BatcherClosed(StepwellError):
    """The batcher was closed before the item was handed over."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is due, and how many items may be waiting or under way before callers wait."""

    items_max: int
    bytes_max: int
    age_max_ms: float
    """How long the first item of a batch may wait for company; 0 does not wait at all."""
    queued_max: int

    def __post_init__(self) -> None:
        if min(self.items_max, self.bytes_max, self.queued_max) < 1 or self.age_max_ms < 0:
            raise ValueError(f"limits must be positive: {self}")


@dataclass(eq=False, slots=True)
class _Entry(Generic[T, R]):
    item: T
    size_bytes: int
    since_s: float
    answer: asyncio.Future[R] = field(repr=False)


class MicroBatcher(Generic[T, R]):
    """Hands items to `call` in batches and gives each caller the answer to its own item.

    `call` gets the items in the order of submission and answers in that order; an answer that is an
    exception is raised to its caller alone, an exception of the whole call to every caller in it.
    """

    def __init__(
        self,
        call: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        limits: BatchLimits,
        size_of: Callable[[T], int] = lambda _: 0,
    ) -> None:
        self._call = call
        self._limits = limits
        self._size_of = size_of
        self._slots = asyncio.Semaphore(limits.queued_max)
        self._waiting: dict[_Entry[T, R], None] = {}  # a queue that a caller can leave anywhere
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._closing = False
        self._flusher: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many items are in no call yet."""
        return len(self._waiting)

    async def submit(self, item: T) -> R:
        """The answer to `item`; waits for room first. A cancelled caller's item is dropped."""
        async with self._slots:
            if self._closing:
                raise BatcherClosed("closed: no more items are taken")
            loop = asyncio.get_running_loop()
            if self._flusher is None:  # in a context of its own, not that of the first caller
                self._flusher = loop.create_task(self._flush_batches(), context=Context())
            entry = _Entry[T, R](item, self._size_of(item), loop.time(), loop.create_future())
            self._add(entry)
            try:
                return await entry.answer
            finally:
                self._drop(entry)

    async def close(self) -> None:
        """Flush what is queued, take no more. Idempotent."""
        self._closing = True
        self._changed.set()
        if self._flusher:
            await self._flusher

    def _add(self, entry: _Entry[T, R]) -> None:
        self._waiting[entry] = None
        self._waiting_bytes += entry.size_bytes
        if len(self._waiting) == 1 or self._is_full():
            self._changed.set()

    def _drop(self, entry: _Entry[T, R]) -> None:
        if entry in self._waiting:
            del self._waiting[entry]
            self._waiting_bytes -= entry.size_bytes

    def _is_full(self) -> bool:
        limits = self._limits
        return len(self._waiting) >= limits.items_max or self._waiting_bytes >= limits.bytes_max

    async def _flush_batches(self) -> None:
        try:
            while self._waiting or not self._closing:
                await self._until_due()
                if batch := self._take():
                    await self._flush(batch)
        finally:  # entries are left only when this task was cancelled
            for entry in self._waiting:
                _settle(entry, BatcherClosed("cancelled while the item was waiting"))

    async def _until_due(self) -> None:
        """Wait until a batch is full or old enough, or no more will come."""
        while not self._closing and not self._is_full():
            oldest = next(iter(self._waiting), None)
            due_s = oldest.since_s + self._limits.age_max_ms / 1000 if oldest else None
            if due_s is not None and due_s <= asyncio.get_running_loop().time():
                return
            self._changed.clear()
            try:
                async with asyncio.timeout_at(due_s):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _take(self) -> list[_Entry[T, R]]:
        """The next batch; an item above the limit of bytes goes alone."""
        batch: list[_Entry[T, R]] = []
        total_bytes = 0
        for entry in self._waiting:
            total_bytes += entry.size_bytes
            if batch and total_bytes > self._limits.bytes_max:
                break
            batch.append(entry)
            if len(batch) == self._limits.items_max:
                break
        for entry in batch:
            self._drop(entry)
        return batch

    async def _flush(self, batch: list[_Entry[T, R]]) -> None:
        call = asyncio.create_task(self._answers(batch))
        try:
            await asyncio.wait([call])  # never raises what the call raised
        finally:
            if not call.done() or call.cancelled():
                call.cancel()
                failure: BaseException | None = BatcherClosed("the call was cancelled")
            else:
                failure = call.exception()
            for position, entry in enumerate(batch):
                _settle(entry, failure or call.result()[position])

    async def _answers(self, batch: list[_Entry[T, R]]) -> Sequence[R | Exception]:
        answers = await self._call([entry.item for entry in batch])
        if len(answers) != len(batch):
            raise ValueError(f"{len(batch)} items got {len(answers)} answers")
        return answers


def _settle(entry: _Entry[T, R], answer: R | BaseException) -> None:
    if entry.answer.done():  # its caller was cancelled meanwhile
        return
    if isinstance(answer, BaseException):
        entry.answer.set_exception(answer)
    else:
        entry.answer.set_result(answer)
