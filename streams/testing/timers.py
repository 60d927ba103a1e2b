"""Virtual time: a clock that is set, and what is put off until it says so."""

import heapq
import itertools
from collections.abc import Callable


class VirtualClock:
    """Gives milliseconds since the epoch, as set."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        """What time it is."""
        return self.now_ms


class Timer:
    """A call that was put off."""

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function
        self.is_cancelled = False

    def cancel(self) -> None:
        """Do not make it."""
        self.is_cancelled = True


class Timers:
    """What one worker has put off, by time and then in the order of asking."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, Timer]] = []
        self._numbers = itertools.count()

    def call_at(self, at_ms: int, function: Callable[[], object]) -> Timer:
        """Call a function when it is that late."""
        timer = Timer(function)
        heapq.heappush(self._heap, (at_ms, next(self._numbers), timer))
        return timer

    def call_later(self, ms: int, function: Callable[[], object]) -> Timer:
        """Call a function after so many milliseconds."""
        return self.call_at(self._clock.now_ms + ms, function)

    def call_soon(self, function: Callable[[], object]) -> Timer:
        """Call a function in a later turn."""
        return self.call_later(0, function)

    def next_ms(self) -> int | None:
        """When the first one is due."""
        while self._heap and self._heap[0][2].is_cancelled:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run_one(self) -> bool:
        """Make the first call that is due; whether there was one."""
        at_ms = self.next_ms()
        if at_ms is None or at_ms > self._clock.now_ms:
            return False
        heapq.heappop(self._heap)[2].function()
        return True
