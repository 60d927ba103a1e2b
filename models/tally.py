"""How often something took how long, counted cheaply and read by whoever makes metrics of it."""

from bisect import bisect_left
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tallied:
    """What was counted so far: a histogram."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    """How many values were at most each bound but above the one before; last, those above all."""
    total: float
    """The sum of all values."""


class Tally:
    """Counts values by the first bound that they do not exceed. Not thread-safe."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        """Counts a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def so_far(self) -> Tallied:
        """What was counted until now."""
        return Tallied(self._bounds, tuple(self._counts), self._total)
