"""Steps that may take their worker down start slowly: first one alone, then more as they survive.

A worker that died has as many suspects as it had work. Each that survives lets one more of them run
at a time. Should one kill the worker, what survived is no suspect any more, and the next worker
begins with one alone again: soon it is the one to blame.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable

ISOLATED_MS_MAX = 60_000
"""A suspect that has run so long has not taken the worker down."""


class Isolation:
    """Lets few suspects of a worker run at a time, first come first served."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Hashable, Callable[[bool], None]] = OrderedDict()
        self._running: dict[Hashable, int] = {}
        """Since when."""
        self._running_max = 1
        self._is_starting = False

    def enter(self, suspect: Hashable, start: Callable[[bool], None], now_ms: int) -> None:
        """Start it when it may run; `start` is told whether it runs alone."""
        self._waiting[suspect] = start
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
        while self._waiting and len(self._running) < self._running_max:
            suspect, start = self._waiting.popitem(last=False)
            is_alone = not self._running
            self._running[suspect] = now_ms
            start(is_alone)
        self._is_starting = False
