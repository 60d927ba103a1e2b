"""Where a replay begins and ends, in one word: `earliest`, `offset:7`, `duration:PT15M`."""

from collections.abc import Callable

from stepwell.streams.replay.asking import (
    Origin,
    Start,
    Until,
    back_from,
    parse_duration_ms,
    parse_time,
)
from stepwell.streams.replay.errors import InvalidReplay

STARTS = "earliest, offset:7, time:2026-01-31T10:00:00Z, duration:PT15M or shift:-100"
UNTILS = "offset:9 or time:2026-01-31T10:00:00Z"
_DIGITS_MAX = 18


def parse_start(text: str, now_ms: int) -> Start:
    """Where it begins; raises `InvalidReplay`."""
    if text == "earliest":
        return Start(Origin.EARLIEST)
    kind, _, value = text.partition(":")
    kinds: dict[str, Callable[[], Start]] = {
        "offset": lambda: Start(Origin.OFFSET, _number(text, value)),
        "time": lambda: Start(Origin.TIME, parse_time(value)),
        "duration": lambda: Start(Origin.TIME, back_from(now_ms, parse_duration_ms(value))),
        "shift": lambda: Start(Origin.SHIFT, _number(text, value, signed=True)),
    }
    if kind not in kinds:
        raise InvalidReplay(f"start {text!r}: write {STARTS}")
    return kinds[kind]()


def parse_until(text: str) -> Until:
    """Where it ends; raises `InvalidReplay`."""
    kind, _, value = text.partition(":")
    match kind:
        case "":
            return Until()
        case "offset":
            return Until(offset=_number(text, value))
        case "time":
            return Until(time_ms=parse_time(value))
        case _:
            raise InvalidReplay(f"until {text!r}: write {UNTILS}")


def _number(text: str, value: str, *, signed: bool = False) -> int:
    digits = value.removeprefix("-").removeprefix("+") if signed else value
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS_MAX):
        raise InvalidReplay(f"{text!r}: a whole number expected")
    return int(value)
