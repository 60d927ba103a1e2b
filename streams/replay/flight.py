"""Keeps a replay slow enough: so many starts a second, so many instances that have not ended."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from stepwell.schemas import codec
from stepwell.schemas.commands import DeleteRequested
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.journal import InstanceKey, InstancePaused, InstanceRecord
from stepwell.streams.engine.fold import ended_as
from stepwell.streams.replay.asking import Pace


class Flight:
    """The instances that were started and have not ended, as the journal tells."""

    def __init__(self, pace: Pace, *, now: Callable[[], float]) -> None:
        self.outcomes: Counter[str] = Counter()
        """How those that have ended did so; one that is paused counts as ended."""
        self._pace = pace
        self._now = now
        self._next_at = now()
        self._flying: set[bytes] = set()
        self._landed = asyncio.Event()

    @property
    def size(self) -> int:
        """How many have not ended."""
        return len(self._flying)

    @property
    def limit(self) -> int:
        """How many may fly; 0: any number."""
        return self._pace.in_flight_max

    @property
    def is_paced(self) -> bool:
        """Whether starts are so many a second."""
        return self._pace.per_second is not None

    @property
    def is_full(self) -> bool:
        """Whether another has to wait for one to end."""
        return 0 < self._pace.in_flight_max <= self.size

    def start(self, key: InstanceKey) -> None:
        """This one is about to be started."""
        self._flying.add(key.encode())

    def take(self, key: bytes, value: bytes) -> None:
        """A record of the journal that came after the replay had begun."""
        if key not in self._flying:
            return
        try:
            record = codec.decode(value)
        except JournalCorrupt:
            return
        if (how := _rest_of(record)) is not None:  # type: ignore[arg-type] # not of owners
            self._flying.remove(key)
            self.outcomes[how] += 1
            self._landed.set()

    async def wait(self) -> None:
        """Until one has ended."""
        self._landed.clear()
        await self._landed.wait()

    async def turn(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Until the next start is due."""
        if self._pace.per_second is None:
            return
        now = self._now()
        if self._next_at > now:
            await sleep(self._next_at - now)
        self._next_at = max(self._next_at, now) + 1 / self._pace.per_second


def _rest_of(record: InstanceRecord) -> str | None:
    if isinstance(record, InstancePaused):
        return "paused"
    if isinstance(record, DeleteRequested):
        return "deleted"
    return ended_as(record)
