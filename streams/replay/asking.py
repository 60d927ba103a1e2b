"""What a replay is asked for, and the texts in which people say it."""

import csv
import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stepwell.streams.engine.durations import to_ms
from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.replay.errors import InvalidReplay

IN_FLIGHT_MAX = 1000
TIME_FORMATS = "2026-01-31T10:00:00Z, 2026-01-31T10:00:00.250+01:00"
DURATION_FORMATS = 'P1DT2H30M, PT15M, "90 minutes"'

_DURATION = re.compile(
    r"(?P<sign>-?)P(?=\d|T\d)(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.IGNORECASE,
)
_MS_MAX = 253_402_300_799_000  # the end of the year 9999


class Mode(StrEnum):
    """What is done with the instances of the records."""

    RERUN = "rerun"
    """New instances with the same parameters, linked to the old ones."""
    RESUME = "resume"
    """Errored instances go on from the step that failed."""
    VERIFY = "verify"
    """Completed instances are computed again, and nothing is changed."""


class Origin(StrEnum):
    """How the beginning is given."""

    OFFSET = "from-offset"
    TIME = "to-datetime"
    SHIFT = "shift-by"
    EARLIEST = "to-earliest"
    FILE = "from-file"


@dataclass(frozen=True, slots=True)
class Start:
    """Where a replay begins: an offset, a time in ms, or so many records from the workers."""

    origin: Origin
    value: int = 0
    offsets: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """By topic and partition, of a file."""


@dataclass(frozen=True, slots=True)
class Until:
    """Where it ends: before an offset, or before a time in ms. Frozen when it is planned."""

    offset: int | None = None
    time_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """A topic, and some of its partitions; None: all."""

    topic: str
    partitions: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Patterns (`*` is a wildcard) that type, subject and source of an event must all match."""

    type: str = "*"
    subject: str = "*"
    source: str = "*"

    def admit(self, type_: str, subject: str, source: str) -> bool:
        """Whether an event of these is meant."""
        wanted = zip((type_, subject, source), (self.type, self.subject, self.source), strict=True)
        return all(fnmatch.fnmatchcase(text, pattern) for text, pattern in wanted)

    @property
    def admit_all(self) -> bool:
        """Whether nothing is filtered: then instances that no event started are meant too."""
        return self == Filters()


@dataclass(frozen=True, slots=True)
class Request:
    """A replay as it was asked for."""

    start: Start
    mode: Mode = Mode.RERUN
    until: Until = field(default_factory=Until)
    scopes: tuple[Scope, ...] = ()
    """Empty: the events topic."""
    workflow: str | None = None
    filters: Filters = field(default_factory=Filters)
    execute: bool = False
    """Then offsets that the log does not have are refused, not clamped."""
    skip: tuple[str, ...] = ()
    """Patterns of steps that `verify` takes as recorded: their bodies do not run."""
    tolerance: float = 0.0
    """For `verify`: so far apart numbers of a vector may be."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a replay may go."""

    per_second: float | None = None
    in_flight_max: int = IN_FLIGHT_MAX
    """Instances that were started and have not ended; 0: any number."""


@dataclass(frozen=True, slots=True)
class At:
    """An offset of the instance's journal partition, or a time in ms: its record is the last."""

    offset: int | None = None
    time_ms: int | None = None


def parse_at(text: str, zone: str | None = None) -> At:
    """An offset, or a time."""
    return At(offset=int(text)) if _is_number(text) else At(time_ms=parse_time(text, zone))


def parse_time(text: str, zone: str | None = None) -> int:
    """Milliseconds since 1970 of an ISO 8601 time; one without a time zone needs `zone`."""
    try:
        moment = datetime.fromisoformat(text.strip().upper())
    except ValueError as error:
        raise InvalidReplay(f"{text!r} is no time ({error}); write {TIME_FORMATS}") from None
    if moment.tzinfo is None:
        moment = _placed(text, moment, zone)
    try:
        return round(moment.timestamp() * 1000)
    except (OverflowError, ValueError) as error:
        raise InvalidReplay(f"{text!r} is out of the calendar ({error})") from None


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name; raises `InvalidReplay`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidReplay(f"{name!r} is no time zone; write --tz UTC or Europe/Berlin") from None


def _placed(text: str, moment: datetime, zone: str | None) -> datetime:
    if zone is None:
        raise InvalidReplay(
            f"{text!r} has no time zone: add Z or +01:00, or say --tz Europe/Berlin; "
            f"write {TIME_FORMATS}"
        )
    found = zone_of(zone)
    first, second = (moment.replace(tzinfo=found, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    back = first.astimezone(UTC).astimezone(found).replace(tzinfo=None)
    problem = "is twice" if back == moment else "does not exist"
    raise InvalidReplay(
        f"{text!r} {problem} in {zone}: the clocks change; write it with its offset"
    )


def parse_duration_ms(text: str) -> int:
    """Milliseconds of `P1DT2H`, or of a duration as workflows write them."""
    match = _DURATION.fullmatch(text.strip())
    if match and not match["sign"]:
        parts = {name: float(match[name] or 0) for name in ("days", "hours", "minutes", "seconds")}
        try:
            return round(timedelta(**parts).total_seconds() * 1000)
        except OverflowError:
            raise InvalidReplay(f"duration {text!r} is too long") from None
    try:
        return to_ms(text)
    except InvalidDefinition:
        raise InvalidReplay(f"{text!r} is no duration; write {DURATION_FORMATS}") from None


def back_from(now_ms: int, duration_ms: int) -> int:
    """The time so long ago; not before the calendar begins."""
    return max(0, now_ms - duration_ms)


def parse_scope(text: str) -> Scope:
    """`topic` or `topic:0,1,2`."""
    topic, colon, numbers = text.partition(":")
    if not colon and topic:
        return Scope(topic)
    listed = numbers.split(",")
    if not topic or not all(number.isascii() and number.isdecimal() for number in listed):
        raise InvalidReplay(f"--topic {text!r}: write TOPIC or TOPIC:0,1,2")
    return Scope(topic, tuple(sorted({int(number) for number in listed})))


def parse_filters(texts: Iterable[str]) -> Filters:
    """`type=com.github.issues.*`, `subject=…`, `source=…`: each at most once."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, pattern = text.partition("=")
        if name not in ("type", "subject", "source") or not (equals and pattern):
            raise InvalidReplay(
                f"--filter {text!r}: write type=PATTERN, subject=PATTERN or source=PATTERN, "
                "where * stands for anything"
            )
        if name in found:
            raise InvalidReplay(f"--filter {name} is given twice")
        found[name] = pattern
    return Filters(**found)


def read_offsets(lines: Iterable[str]) -> dict[tuple[str, int], int]:
    """The rows `topic,partition,offset` of a file, as `--export` and Kafka's tools write them."""
    found: dict[tuple[str, int], int] = {}
    try:
        for number, row in enumerate(csv.reader(lines), 1):
            if not row or (number == 1 and row == list(COLUMNS)):
                continue
            if len(row) != len(COLUMNS) or not all(_is_number(cell) for cell in row[1:]):
                raise InvalidReplay(
                    f"line {number}: {','.join(row)!r} is not topic,partition,offset"
                )
            place = (row[0].strip(), int(row[1]))
            if place in found:
                raise InvalidReplay(f"line {number}: {place[0]}:{place[1]} is there twice")
            found[place] = int(row[2])
    except csv.Error as error:
        raise InvalidReplay(f"not CSV: {error}") from None
    if not found:
        raise InvalidReplay("the file names no offset; write rows of topic,partition,offset")
    return found


COLUMNS = ("topic", "partition", "offset")


def _is_number(text: str) -> bool:
    text = text.strip()
    return text.isascii() and text.isdecimal()


def in_words(time_ms: int) -> str:
    """A time as it is echoed to whoever gave it, in UTC."""
    moment = datetime.fromtimestamp(min(time_ms, _MS_MAX) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
