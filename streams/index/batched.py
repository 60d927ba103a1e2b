"""`BatchedIndex`: the single writes of thousands of instances meet in full calls to one index."""

from collections.abc import Sequence

from stepwell.schemas.documents import Embedded, Removal
from stepwell.streams.index.errors import RefusedByIndex, RetryableIndexError
from stepwell.streams.index.rules import Write, key_of, waves, weight_bytes
from stepwell.streams.ports import VectorIndex, WriteOutcome, WriteStatus
from stepwell.streams.runtime.batcher import BatchLimits, MicroBatcher

LIMITS = BatchLimits(items_max=100, bytes_max=4 * 1024 * 1024, age_max_ms=2, queued_max=2000)


class BatchedIndex:
    """One write at a time for its callers; writes of one document keep the order they came in."""

    def __init__(self, index: VectorIndex, limits: BatchLimits = LIMITS) -> None:
        self._index = index
        self._batcher = MicroBatcher(self._write_all, limits, weight_bytes)

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
                answered = await self._index.upsert([one for _, one in upserts])
                outcomes.update(zip((at for at, _ in upserts), answered, strict=True))
            if removals:
                answered = await self._index.remove([one for _, one in removals])
                outcomes.update(zip((at for at, _ in removals), answered, strict=True))
        return [_answer(write, outcomes[position]) for position, write in enumerate(writes)]


def _answer(write: Write, outcome: WriteOutcome) -> WriteStatus | Exception:
    if outcome.status is WriteStatus.RETRY:
        return RetryableIndexError(key_of(write), outcome.detail)
    if outcome.status is WriteStatus.REFUSED:
        return RefusedByIndex(key_of(write), outcome.detail)
    return outcome.status
