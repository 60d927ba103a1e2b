"""Steps that may take their worker down start slowly: first one alone, then more as they survive.

A worker that died has as many suspects as it had work. Each that survives lets one more of them run
at a time. Should one kill the worker, what survived is no suspect any more, and the next worker
begins with one alone again: soon it is the one to blame. A worker may die for other reasons too,
so they take turns in being alone: first who was least often alone when one died.
"""

import heapq
from collections.abc import Callable, Hashable
from itertools import count

ISOLATED_MS_MAX = 60_000
"""A suspect that has run so long has not taken the worker down."""


class Isolation:
    """Lets few suspects of a worker run at a time, first come first served."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, Callable[[bool], None]] = {}
        self._line: list[tuple[int, int, Hashable]] = []
        """Those who wait, and some who do not any more; by deaths, then as they came."""
        self._numbers = count()
        self._running: dict[Hashable, int] = {}
        """Since when."""
        self._running_max = 1
        self._is_starting = False

    def enter(
        self, suspect: Hashable, start: Callable[[bool], None], now_ms: int, deaths: int = 0
    ) -> None:
        """Start it when it may run; `start` is told whether it runs alone.

        `deaths` is how often a worker died while it ran alone. If there were any, others that come
        before the next tick go first.
        """
        self._waiting[suspect] = start
        heapq.heappush(self._line, (deaths, next(self._numbers), suspect))
        if deaths == 0:
            self._start_some(now_ms)

    def leave(self, suspect: Hashable, now_ms: int) -> None:
        """It has ended, or is not wanted any more."""
        self._waiting.pop(suspect, None)
        self._survived(suspect)
        self._start_some(now_ms)

    def tick(self, now_ms: int) -> None:
        """Call about every second."""
        for suspect, since_ms in list(self._running.items()):
            if now_ms - since_ms >= ISOLATED_MS_MAX:
                self._survived(suspect)
        self._start_some(now_ms)

    def _survived(self, suspect: Hashable) -> None:
        if self._running.pop(suspect, None) is not None:
            self._running_max += 1

    def _start_some(self, now_ms: int) -> None:
        if self._is_starting:  # called by one that left as soon as it was started
            return
        self._is_starting = True
        while self._line and len(self._running) < self._running_max:
            _, _, suspect = heapq.heappop(self._line)
            if (start := self._waiting.pop(suspect, None)) is not None:
                is_alone = not self._running
                self._running[suspect] = now_ms
                start(is_alone)
        self._is_starting = False
