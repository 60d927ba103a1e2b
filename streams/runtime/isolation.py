"""Steps that may take their worker down run one at a time: a death then has one suspect."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

ISOLATED_MS_MAX = 60_000
"""A suspect that has run so long has not taken the worker down: the next one may start."""


class Isolation:
    """Lets one suspect of a worker run at a time, first come first served."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Hashable, Callable[[], None]] = OrderedDict()
        self._running: Hashable | None = None
        self._since_ms = 0

    def enter(self, suspect: Hashable, start: Callable[[], None], now_ms: int) -> None:
        """Start it when no other one runs."""
        self._waiting[suspect] = start
        self._next(now_ms)

    def leave(self, suspect: Hashable, now_ms: int) -> None:
        """It has ended, or is not wanted any more."""
        self._waiting.pop(suspect, None)
        if self._running == suspect:
            self._running = None
        self._next(now_ms)

    def tick(self, now_ms: int) -> None:
        """Call about every second."""
        if now_ms - self._since_ms >= ISOLATED_MS_MAX:
            self._running = None
        self._next(now_ms)

    def _next(self, now_ms: int) -> None:
        if self._running is None and self._waiting:
            self._running, start = self._waiting.popitem(last=False)
            self._since_ms = now_ms
            start()
