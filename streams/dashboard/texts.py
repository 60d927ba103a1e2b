"""Times, durations and sizes as people read them; links that change a part of a query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from urllib.parse import quote, urlencode

import orjson

from stepwell.streams.views import plain

SHOWN_CHARACTERS = 20_000
"""So much of a value is on a page; all of it is behind its raw link."""
_STEPS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"))
_KIB = 1024

Query = Mapping[str, Sequence[str]]
"""The parameters of a page, each with its values."""


def iso(ms: int) -> str:
    """A time for `datetime=` attributes and for those without JavaScript."""
    return f"{_time(ms):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def utc(ms: int) -> str:
    """A time as the page shows it before a script translates it."""
    return f"{_time(ms):%Y-%m-%d %H:%M:%S} UTC"


def duration(ms: int) -> str:
    """A duration in its two largest units: `3 d 4 h`, `1 m 5 s`, `1.25 s`, `250 ms`."""
    if ms < 0:
        return f"-{duration(-ms)}"
    if ms < 1_000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.2f}".rstrip("0").rstrip(".") + " s"
    parts = []
    for size_ms, name in _STEPS:
        count, ms = divmod(ms, size_ms)
        parts.append((count, name))
    first = len(list(takewhile(lambda part: not part[0], parts)))
    return " ".join(f"{count} {name}" for count, name in parts[first : first + 2] if count)


def size(count: int) -> str:
    """A number of bytes."""
    amount, units = float(count), ["B", "KiB", "MiB", "GiB"]
    while amount >= _KIB and len(units) > 1:
        amount /= _KIB
        units.pop(0)
    return f"{count} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def number(count: int) -> str:
    """A count, with spaces that do not break between thousands."""
    return f"{count:,}".replace(",", "\u202f")


def as_json(value: object) -> str:
    """A value as JSON for people: indented."""
    return orjson.dumps(value, default=plain, option=orjson.OPT_INDENT_2).decode()


def segment(text: str) -> str:
    """A text as one segment of a path."""
    return quote(text, safe="")


def changed(query: Query, **changes: str | None) -> str:
    """The query with these changes, None: without it; `?` alone where nothing is left."""
    merged = {name: list(values) for name, values in query.items()}
    for name, value in changes.items():
        merged[name] = [] if value is None else [value]
    return "?" + urlencode(merged, doseq=True)


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as JSON, as much of it as a page shows."""

    text: str
    bytes: int
    """Of all of it."""
    is_cut: bool

    @classmethod
    def of(cls, value: object, characters_max: int = SHOWN_CHARACTERS) -> "Shown":
        """A value."""
        text = as_json(value)
        return cls(text[:characters_max], len(text.encode()), len(text) > characters_max)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1000, tz=UTC)
