"""How often one sender may do something."""

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

SENDERS_MAX = 10_000
"""So many are remembered: those that were seen last."""


class Rate:
    """`count` times in `per_s` seconds, for each sender."""

    def __init__(
        self, count: int, per_s: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = count
        self._per_s = per_s
        self._clock = clock
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, sender: str) -> int:
        """0: go on, this time is counted; else how many seconds to wait."""
        now = self._clock()
        times = self._seen.setdefault(sender, deque())
        self._seen.move_to_end(sender)
        while len(self._seen) > SENDERS_MAX:
            self._seen.popitem(last=False)
        while times and times[0] <= now - self._per_s:
            times.popleft()
        if len(times) >= self._count:
            return max(1, math.ceil(times[0] + self._per_s - now))
        times.append(now)
        return 0
