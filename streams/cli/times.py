"""Times and durations as people type them."""

import re
from datetime import UTC, datetime, timedelta

import click

from stepwell.streams.errors import StepwellError
from stepwell.streams.replay.asking import DURATION_FORMATS, parse_duration_ms

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SECONDS_MAX = 10**9
_SHOWN = 80


class Duration(click.ParamType):
    """Seconds, `90s`, `5m`, `2h`, `7d`, `PT15M`, "90 minutes": at least a millisecond."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Milliseconds."""
        found = _duration_ms(str(value).strip())
        if not found:
            self.fail(
                f"{str(value)[:_SHOWN]!r} is no duration; write 30, 90s, 5m, {DURATION_FORMATS}",
                param,
                ctx,
            )
        return found


class Moment(click.ParamType):
    """A time with its zone, or how long ago: `2026-01-31T10:00:00Z`, `90m`, `7d`, `P1DT2H`."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Milliseconds since the epoch."""
        text = str(value).strip()
        if not text.isdecimal() and (ago := _duration_ms(text)):
            now = datetime.now(UTC)
            return max(0, _ms(now - timedelta(milliseconds=min(ago, _SECONDS_MAX * 1000))))
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            formats = "write 90m, 7d or 2026-01-31T10:00:00Z, with its zone"
            self.fail(f"{text[:_SHOWN]!r}: {formats}", param, ctx)
        return _ms(moment)


def ago(then_ms: int, now_ms: int) -> str:
    """How long ago, or in how long, in the largest unit that fits."""
    seconds = abs(now_ms - then_ms) / 1000
    for letter, size in sorted(_UNITS.items(), key=lambda it: -it[1]):
        if seconds >= size:
            text = f"{int(seconds // size)}{letter}"
            break
    else:
        return "now"
    return f"{text} ago" if then_ms <= now_ms else f"in {text}"


def _duration_ms(text: str) -> int | None:
    if found := re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhd]?)", text, re.ASCII):
        return round(float(found[1]) * _UNITS[found[2] or "s"] * 1000)
    try:
        return parse_duration_ms(text)
    except StepwellError:
        return None


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
