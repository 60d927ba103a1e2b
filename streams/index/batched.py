"""`BatchedIndex`: the single writes of thousands of instances meet in full calls to one index."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from stepwell.schemas.documents import Embedded, Removal
from stepwell.streams.index.errors import RefusedByIndex, RetryableIndexError
from stepwell.streams.index.rules import Write, key_of, waves, weight_bytes
from stepwell.streams.ports import WriteOutcome, WriteStatus
from stepwell.streams.runtime.batcher import BatchLimits, MicroBatcher
from stepwell.streams.spans import NO_TRACING, Linked, Tracing

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


class _Asked(NamedTuple):
    """A write, and whose it is."""

    write: Write
    link: Linked | None


class BatchedIndex:
    """One write at a time for its callers; writes of one document keep the order they came in."""

    def __init__(self, index: Writes, limits: BatchLimits = LIMITS) -> None:
        self._index = index
        self._batcher = MicroBatcher(
            self._write_all, limits, lambda asked: weight_bytes(asked.write)
        )
        self._metrics: IndexMetrics | None = None
        self._tracing = NO_TRACING

    def measure(self, metrics: "IndexMetrics") -> None:
        """Count calls and their outcomes from now on."""
        self._metrics = metrics
        metrics.watch(lambda: self._batcher.waiting)

    def trace(self, tracing: Tracing) -> None:
        """Tell of calls from now on, with links to those who asked for them."""
        self._tracing = tracing

    async def upsert_one(self, embedded: Embedded) -> WriteStatus:
        """STORED or STALE; raises `RefusedByIndex`, `RetryableIndexError`, `IndexUnavailable`."""
        return await self._batcher.submit(_Asked(embedded, self._tracing.link()))

    async def remove_one(self, removal: Removal) -> WriteStatus:
        """STORED or STALE; raises `RefusedByIndex`, `RetryableIndexError`, `IndexUnavailable`."""
        return await self._batcher.submit(_Asked(removal, self._tracing.link()))

    async def close(self) -> None:
        """Write what is queued, take no more. The index stays open: it is its maker's to close."""
        await self._batcher.close()

    async def _write_all(self, asked: Sequence[_Asked]) -> list[WriteStatus | Exception]:
        outcomes: dict[int, WriteOutcome] = {}
        for wave in waves(key_of(write) for write, _ in asked):
            upserts = [(at, one) for at in wave if isinstance(one := asked[at].write, Embedded)]
            removals = [(at, one) for at in wave if isinstance(one := asked[at].write, Removal)]
            if upserts:
                with self._traced("upsert", asked, upserts):
                    answered = await self._call(self._index.upsert, [one for _, one in upserts])
                outcomes.update(zip((at for at, _ in upserts), answered, strict=True))
            if removals:
                with self._traced("remove", asked, removals):
                    answered = await self._call(self._index.remove, [one for _, one in removals])
                outcomes.update(zip((at for at, _ in removals), answered, strict=True))
        return [_answer(write, outcomes[position]) for position, (write, _) in enumerate(asked)]

    def _traced(
        self, operation: str, asked: Sequence[_Asked], called: Sequence[tuple[int, object]]
    ) -> AbstractContextManager[object]:
        links = [asked[at].link for at, _ in called]
        return self._tracing.batch(operation, links, len(called))

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
