"""Which texts run together: those of equal length, few enough to stay in the processor's cache."""

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

_T = TypeVar("_T")

TOKENS_PER_RUN_MAX = 512
"""More is slower: the activations of a run should fit the second-level cache."""


class LengthQueue(Generic[_T]):
    """Items by length. Lengths take turns, so no item waits forever."""

    def __init__(self, tokens_per_run_max: int = TOKENS_PER_RUN_MAX) -> None:
        self._tokens_per_run_max = tokens_per_run_max
        self._by_length: dict[int, deque[_T]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, length: int, item: _T) -> None:
        """Adds an item behind those of its length."""
        self._by_length.setdefault(length, deque()).append(item)
        self._size += 1

    def take(self) -> list[_T]:
        """The next group: of one length, as many as fit a run, at least one; [] when empty."""
        if not self._by_length:
            return []
        length = next(iter(self._by_length))
        items = self._by_length.pop(length)
        count = min(len(items), max(1, self._tokens_per_run_max // length))
        group = [items.popleft() for _ in range(count)]
        if items:
            self._by_length[length] = items  # at the end: the other lengths come first
        self._size -= count
        return group


def equal_length_groups(lengths: Sequence[int]) -> list[list[int]]:
    """Positions grouped for running; every position occurs once."""
    queue = LengthQueue[int]()
    for position, length in enumerate(lengths):
        queue.add(length, position)
    groups = []
    while queue:
        groups.append(queue.take())
    return groups
