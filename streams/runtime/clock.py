"""The one place that reads the wall clock."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Gives milliseconds since the epoch."""


def system_clock() -> int:
    """Wall-clock milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
