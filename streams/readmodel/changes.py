"""What has changed lately, for readers that want to be told; how far each was told is its affair.

A place in the stream is how far each partition of the journal was read, so that a reader may go on
at another gateway than the one it was cut off from.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass

from stepwell.streams.lists import InstanceChange, News

KEPT_MAX = 10_000
"""So many changes are kept for those who read slowly, or come back."""


@dataclass(frozen=True, slots=True)
class _Batch:
    before: Mapping[int, int]
    after: Mapping[int, int]
    changes: tuple[InstanceChange, ...]


class Changes:
    """The last changes; memory does not grow with the number or the slowness of readers."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self._batches: deque[_Batch] = deque()
        self._count = 0
        self._first = 0
        """The number of the oldest batch."""
        self._now: Mapping[int, int] = {}
        self._news = asyncio.Event()

    @property
    def place(self) -> str:
        """The place after all that has happened."""
        return _encode(self._now)

    def begin(self, positions: Mapping[int, int]) -> None:
        """So far was read before; whoever was told less must read anew."""
        if positions == self._now:
            return
        self._first += len(self._batches) + 1
        self._batches.clear()
        self._count = 0
        self._now = dict(positions)
        self._wake()

    def add(self, positions: Mapping[int, int], changes: Sequence[InstanceChange]) -> None:
        """These have happened, and so far is read now."""
        after = dict(positions)
        if changes:
            self._batches.append(_Batch(self._now, after, tuple(changes)))
            self._count += len(changes)
        self._now = after
        while self._count > self._kept_max and len(self._batches) > 1:
            self._count -= len(self._batches.popleft().changes)
            self._first += 1
        if changes:
            self._wake()

    async def since(self, place: str | None = None) -> AsyncGenerator[News]:
        """For ever what has happened since a place, or from now on."""
        known = self._now if place is None else _decode(place)
        oldest = self._batches[0].before if self._batches else self._now
        behind = known is None or any(at > known.get(p, 0) for p, at in oldest.items())
        following = self._first
        if behind or known is None:
            known, following = self._now, self._end
            yield News(self.place, None)
        while True:
            if following < self._first:
                following = self._end
                yield News(self.place, None)
            while self._first <= following < self._end:
                batch = self._batches[following - self._first]
                following += 1
                new = (it for it in batch.changes if it.offset >= known.get(it.partition, 0))
                if told := tuple(new):
                    yield News(_encode(batch.after), told)
            if following == self._end:
                await self._news.wait()

    @property
    def _end(self) -> int:
        return self._first + len(self._batches)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _encode(positions: Mapping[int, int]) -> str:
    return ".".join(f"{partition}-{at}" for partition, at in sorted(positions.items()))


def _decode(place: str) -> dict[int, int] | None:
    try:
        pairs = (pair.split("-") for pair in place.split(".") if pair)
        return {int(partition): int(at) for partition, at in pairs}
    except ValueError:
        return None
