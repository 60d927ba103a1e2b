"""What is due when, for one partition: a heap, and one alarm for its top."""

import heapq
from collections.abc import Callable
from typing import Protocol

from stepwell.streams.engine.names import StepKey
from stepwell.streams.runtime.clock import Clock

DUE_AT_ONCE = 200
"""So many are handled in one turn of the loop."""

LOOK_AGAIN_MS = 60_000
"""The alarm is never set further ahead: the wall clock may be set forward."""


class Handle(Protocol):
    """A call that was put off."""

    def cancel(self) -> None:
        """Do not make it."""
        ...


CallLater = Callable[[int, Callable[[], None]], Handle]
"""Call a function after so many milliseconds."""

Due = tuple[int, bytes, StepKey | None]
"""When, which instance, and its step; without a step the instance is to be looked at."""


class Alarms:
    """Calls `ring` with each entry when it is due, never before."""

    def __init__(self, clock: Clock, call_later: CallLater, ring: Callable[[Due], None]) -> None:
        self._clock = clock
        self._call_later = call_later
        self._ring = ring
        self._heap: list[tuple[int, bytes, str, int, str]] = []
        self._alarm: Handle | None = None
        self._alarm_at_ms = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_ms(self) -> int | None:
        """When the first entry is due."""
        return self._heap[0][0] if self._heap else None

    def set(self, at_ms: int, key: bytes, step: StepKey | None = None) -> None:
        """Ring at this time; an entry is never taken back, so look whether it still holds then."""
        name, occurrence, kind = step or ("", 0, "")
        heapq.heappush(self._heap, (at_ms, key, name, occurrence, kind))
        self._arm()

    def stop(self) -> None:
        """Forget everything."""
        self._heap.clear()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _arm(self) -> None:
        if not self._heap:
            return
        at_ms = self._heap[0][0]
        if self._alarm is not None:
            if self._alarm_at_ms <= at_ms:
                return
            self._alarm.cancel()
        wait_ms = min(max(0, at_ms - self._clock()), LOOK_AGAIN_MS)
        self._alarm_at_ms = at_ms
        self._alarm = self._call_later(wait_ms, self._due)

    def _due(self) -> None:
        self._alarm = None
        now_ms = self._clock()
        for _ in range(DUE_AT_ONCE):
            if not self._heap or self._heap[0][0] > now_ms:
                break
            at_ms, key, name, occurrence, kind = heapq.heappop(self._heap)
            self._ring((at_ms, key, StepKey(name, occurrence, kind) if kind else None))
        self._arm()
