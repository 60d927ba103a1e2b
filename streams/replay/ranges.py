"""From what was asked and what the log has to a range of offsets for each partition."""

import difflib
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stepwell.streams.replay.asking import Origin, Request, Scope
from stepwell.streams.replay.errors import InvalidReplay, OutOfBounds, PlaceNotFound

NEAR_MAX = 5


@dataclass(frozen=True, slots=True)
class Facts:
    """What the log says of a partition, at one moment."""

    topic: str
    partition: int
    earliest: int
    end: int
    """The next offset: what comes later is not replayed."""
    at_start: int | None = None
    """The first offset at or after the time of the start; None: there is none yet."""
    at_until: int | None = None
    """The same for the end bound."""
    committed: int | None = None
    """Where the workers are; None: they have not committed."""


@dataclass(frozen=True, slots=True)
class Range:
    """The offsets from `first` to before `end`."""

    topic: str
    partition: int
    first: int
    end: int
    note: str = ""
    """What was asked for, where the log does not have it."""


def check_scopes(scopes: Sequence[Scope], partitions: Mapping[str, Iterable[int]]) -> None:
    """Every topic and every partition must exist; raises `PlaceNotFound` naming near ones."""
    for scope in scopes:
        if scope.topic not in partitions:
            raise PlaceNotFound(f"there is no topic {scope.topic!r}", near(scope.topic, partitions))
        known = sorted(partitions[scope.topic])
        for partition in scope.partitions or ():
            if partition not in known:
                raise PlaceNotFound(
                    f"topic {scope.topic!r} has no partition {partition}, only "
                    f"{known[0]} to {known[-1]}"
                )


def near(name: str, known: Iterable[str]) -> list[str]:
    """The names that may have been meant: a pattern's, or similar ones."""
    names = sorted(known)
    matched = fnmatch.filter(names, name) or [other for other in names if name in other]
    return (matched or difflib.get_close_matches(name, names, NEAR_MAX, 0.4))[:NEAR_MAX]


def resolve(request: Request, facts: Sequence[Facts]) -> list[Range]:
    """A range for each partition.

    Offsets that the log does not have are clamped and noted, and refused if it is to be executed:
    `OutOfBounds` names them all.
    """
    ranges = [_range(request, each) for each in facts]
    problems = [found.note for found in ranges if found.note]
    if request.execute and problems:
        raise OutOfBounds(problems)
    return ranges


def _range(request: Request, facts: Facts) -> Range:
    first, note = _clamped(_first(request, facts), facts, "the start")
    end = _end(request, facts)
    if end is None:
        return Range(facts.topic, facts.partition, first, max(first, facts.end), note)
    end, late = _clamped(end, facts, "the end")
    note = "; ".join(filter(None, (note, late)))
    if request.until.offset is not None and end < first and not note:
        raise InvalidReplay(f"{_place(facts)}: the end, {end}, is before the start, {first}")
    return Range(facts.topic, facts.partition, first, max(first, end), note)


def _first(request: Request, facts: Facts) -> int:
    start = request.start
    match start.origin:
        case Origin.OFFSET:
            return start.value
        case Origin.TIME:
            return facts.end if facts.at_start is None else facts.at_start
        case Origin.SHIFT:
            return (facts.end if facts.committed is None else facts.committed) + start.value
        case Origin.EARLIEST:
            return facts.earliest
        case Origin.FILE:
            return start.offsets[facts.topic, facts.partition]


def _end(request: Request, facts: Facts) -> int | None:
    if request.until.offset is not None:
        return request.until.offset
    if request.until.time_ms is not None:
        return facts.end if facts.at_until is None else facts.at_until
    return None


def _clamped(offset: int, facts: Facts, what: str) -> tuple[int, str]:
    if offset < facts.earliest:
        why = f"{what}, offset {offset}, is below the earliest, {facts.earliest}"
        return facts.earliest, f"{_place(facts)}: {why}"
    if offset > facts.end:
        return facts.end, f"{_place(facts)}: {what}, offset {offset}, is past the end, {facts.end}"
    return offset, ""


def _place(facts: Facts) -> str:
    return f"{facts.topic}:{facts.partition}"
