"""Durations as people write them: `"5 minutes"`, `250` (milliseconds), `timedelta(hours=1)`."""

import re
from datetime import timedelta

from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.engine.limits import SLEEP_MS_MAX

Duration = str | int | float | timedelta

_UNIT_MS = {
    "ms": 1,
    "millisecond": 1,
    "second": 1_000,
    "minute": 60_000,
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 7 * 86_400_000,
    "month": 30 * 86_400_000,
    "year": 31_557_600_000,  # 365.25 days
}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)(?:\s*(ms|[a-z]+?)s?)?", re.ASCII)


def to_ms(duration: Duration) -> int:
    """Milliseconds of a duration; bare numbers are milliseconds. Raises `InvalidDefinition`."""
    if isinstance(duration, timedelta):
        ms = duration.total_seconds() * 1000
    elif isinstance(duration, int | float) and not isinstance(duration, bool):
        ms = duration
    elif isinstance(duration, str):
        ms = _parse(duration)
    else:
        raise InvalidDefinition(
            f"a duration is text, milliseconds or a timedelta, not {duration!r}"
        )
    if not 0 <= ms <= SLEEP_MS_MAX:
        raise InvalidDefinition(f"duration {duration!r} is not between 0 and 365 days")
    return round(ms)


def _parse(text: str) -> float:
    match = _TEXT.fullmatch(text.strip().lower())
    unit = match and (match[2] or "ms")
    if not match or unit not in _UNIT_MS:
        raise InvalidDefinition(
            f"duration {text!r} is not '<number> <unit>' with a unit of {', '.join(_UNIT_MS)}"
        )
    return float(match[1]) * _UNIT_MS[unit]
