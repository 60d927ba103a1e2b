"""Which texts run together: those of equal length, few enough to stay in the processor's cache."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

_T = TypeVar("_T")

TOKENS_PER_RUN_MAX = 512
"""Fewer read the weights too often, more leave the second-level cache.

Measured for texts of 16 to 250 tokens and models of 384, 768 and 1024 channels: within 5 % of the
best everywhere but for short texts in the middle one (9 %); 64 and 4096 lose up to 35 and 27 %.
"""
AGE_MAX_S = 0.25


class LengthQueue(Generic[_T]):
    """Items by length. The fullest group is next, unless an older item has waited too long."""

    def __init__(
        self,
        *,
        tokens_per_run_max: int = TOKENS_PER_RUN_MAX,
        age_max_s: float = AGE_MAX_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tokens = 0
        """Of all items that wait."""
        self._tokens_per_run_max = tokens_per_run_max
        self._age_max_s = age_max_s
        self._clock = clock
        self._by_length: dict[int, deque[tuple[float, _T]]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, length: int, item: _T) -> None:
        """Adds an item behind those of its length, which may be 0."""
        self._by_length.setdefault(length, deque()).append((self._clock(), item))
        self._size += 1
        self.tokens += length

    def take(self) -> list[_T]:
        """The next group: of one length, as many as fit a run, at least one; [] when empty."""
        if not self._by_length:
            return []
        length = self._next_length()
        items = self._by_length[length]
        group = [items.popleft()[1] for _ in range(self._group_size(length))]
        if not items:
            del self._by_length[length]
        self._size -= len(group)
        self.tokens -= len(group) * length
        return group

    def _next_length(self) -> int:
        oldest = min(self._by_length, key=lambda length: self._by_length[length][0][0])
        if self._clock() - self._by_length[oldest][0][0] >= self._age_max_s:
            return oldest
        return max(self._by_length, key=lambda length: length * self._group_size(length))

    def _group_size(self, length: int) -> int:
        return min(len(self._by_length[length]), max(1, self._tokens_per_run_max // max(1, length)))


def equal_length_groups(lengths: Sequence[int]) -> list[list[int]]:
    """Positions grouped for running; every position occurs once."""
    queue = LengthQueue[int]()
    for position, length in enumerate(lengths):
        queue.add(length, position)
    groups = []
    while queue:
        groups.append(queue.take())
    return groups
