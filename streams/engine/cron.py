"""Cron expressions: five fields, as Debian's cron reads them, in a time zone.

Where clocks go forward, what the gap swallows happens right after it; where they go back, what has
a fixed hour happens once.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.engine.limits import CRON_LENGTH_MAX

FIELDS = 5
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def check_cron(cron: str, time_zone: str) -> None:
    """Raise `InvalidDefinition` unless this is an expression that ever comes due, in a zone."""
    if not isinstance(cron, str) or len(cron) > CRON_LENGTH_MAX:
        raise InvalidDefinition(
            f"cron expression {cron!r} is not text of up to {CRON_LENGTH_MAX} characters"
        )
    zone = _zone(time_zone)
    if len(cron.split()) != FIELDS:
        raise InvalidDefinition(
            f"cron expression {cron!r} does not have the {FIELDS} fields "
            "minute, hour, day of month, month, day of week"
        )
    try:
        first = next(CronSim(cron, _SOME_DAY.astimezone(zone)), None)
    except CronSimError as error:
        raise InvalidDefinition(f"cron expression {cron!r}: {error}") from error
    if first is None:
        raise InvalidDefinition(f"cron expression {cron!r} never comes due")


def times_after(cron: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    """The times of a checked expression after a point in time, in UTC and in order."""
    for time in CronSim(cron, after.astimezone(_zone(time_zone))):
        in_utc = time.astimezone(UTC)
        if in_utc > after:  # within a repeated hour it may begin with its first pass
            yield in_utc


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # needs no data of the system
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise InvalidDefinition(
            f"time zone {name!r} is not one that this machine knows, such as Europe/Berlin"
        ) from error
