"""`BatchedIndex`: the single writes of thousands of instances meet in full calls to one index."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from stepwell.schemas.documents import Embedded, Removal
from stepwell.streams.index.errors import RefusedByIndex, RetryableIndexError
from stepwell.streams.index.rules import Write, key_of, waves, weight_bytes
from stepwell.streams.ports import WriteOutcome, WriteStatus
from stepwell.streams.runtime.batcher import BatchLimits, MicroBatcher

if TYPE_CHECKING:
    from stepwell.streams.metrics import IndexMetrics

W = TypeVar("W")
LIMITS = BatchLimits(items_max=100, bytes_max=4 * 1024 * 1024, age_max_ms=2, queued_max=2000)


class Writes(Protocol):
    """What takes the writes of a `VectorIndex`."""

    async def upsert(self, objects: Sequence[Embedded]) -> list[WriteOutcome]:
        """Store each."""
        ...

    async def remove(self, removals: Sequence[Removal]) -> list[WriteOutcome]:
        """Remove each."""
        ...


class BatchedIndex:
    """One write at a time for its callers; writes of one document keep the order they came in."""

    def __init__(self, index: Writes, limits: BatchLimits = LIMITS) -> None:
        self._index = index
        self._batcher = MicroBatcher(self._write_all, limits, weight_bytes)
        self._metrics: IndexMetrics | None = None

    def measure(self, metrics: "IndexMetrics") -> None:
        """Count calls and their outcomes from now on."""
        self._metrics = metrics
        metrics.watch(lambda: self._batcher.waiting)

    async def upsert_one(self, embedded: Embedded) -> WriteStatus:
        """STORED or STALE; raises `RefusedByIndex`, `RetryableIndexError`, `IndexUnavailable`."""
        return await self._batcher.submit(embedded)

    async def remove_one(self, removal: Removal) -> WriteStatus:
        """STORED or STALE; raises `RefusedByIndex`, `RetryableIndexError`, `IndexUnavailable`."""
        return await self._batcher.submit(removal)

    async def close(self) -> None:
        """Write what is queued, take no more. The index stays open: it is its maker's to close."""
        await self._batcher.close()

    async def _write_all(self, writes: Sequence[Write]) -> list[WriteStatus | Exception]:
        outcomes: dict[int, WriteOutcome] = {}
        for wave in waves(key_of(write) for write in writes):
            upserts = [(at, one) for at in wave if isinstance(one := writes[at], Embedded)]
            removals = [(at, one) for at in wave if isinstance(one := writes[at], Removal)]
            if upserts:
                answered = await self._call(self._index.upsert, [one for _, one in upserts])
                outcomes.update(zip((at for at, _ in upserts), answered, strict=True))
            if removals:
                answered = await self._call(self._index.remove, [one for _, one in removals])
                outcomes.update(zip((at for at, _ in removals), answered, strict=True))
        return [_answer(write, outcomes[position]) for position, write in enumerate(writes)]

    async def _call(
        self, write: Callable[[Sequence[W]], Awaitable[list[WriteOutcome]]], objects: list[W]
    ) -> list[WriteOutcome]:
        started_s = time.perf_counter()
        outcomes: list[WriteOutcome] = []
        try:
            outcomes = await write(objects)
        finally:
            if self._metrics is not None:
                found = [str(outcome.status) for outcome in outcomes]
                found += ["failed"] * (len(objects) - len(outcomes))
                self._metrics.called(found, time.perf_counter() - started_s)
        return outcomes


def _answer(write: Write, outcome: WriteOutcome) -> WriteStatus | Exception:
    if outcome.status is WriteStatus.RETRY:
        return RetryableIndexError(key_of(write), outcome.detail)
    if outcome.status is WriteStatus.REFUSED:
        return RefusedByIndex(key_of(write), outcome.detail)
    return outcome.status
