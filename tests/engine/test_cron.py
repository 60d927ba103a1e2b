"""Cron expressions: what is accepted, and when they come due where clocks change."""

from datetime import UTC, datetime
from itertools import islice

import pytest

from stepwell.streams.engine.cron import check_cron, times_after
from stepwell.streams.engine.errors import InvalidDefinition


def times(cron: str, after: str, count: int, zone: str = "Europe/Berlin") -> list[str]:
    begin = datetime.fromisoformat(after).replace(tzinfo=UTC)
    return [f"{time:%m-%d %H:%M}" for time in islice(times_after(cron, zone, begin), count)]


@pytest.mark.parametrize(
    "cron", ["* * * * *", "0 7 * * mon-fri", "*/15 0,12 1-7 jan sun", "0 0 29 2 *", "0 9 L * *"]
)
def test_expressions_that_cron_takes_are_accepted(cron: str) -> None:
    check_cron(cron, "UTC")
    check_cron(cron, "Europe/Berlin")


@pytest.mark.parametrize(
    ("cron", "zone", "rule"),
    [
        ("", "UTC", "5 fields"),
        ("@daily", "UTC", "5 fields"),
        ("* * * * * *", "UTC", "5 fields"),
        ("61 * * * *", "UTC", "Bad minute"),
        ("0 0 31 2 *", "UTC", "Bad day-of-month"),
        ("* * */20 * 1L", "UTC", "never comes due"),
        ("0 0 * * " + "1," * 130 + "1", "UTC", "up to 256 characters"),
        (None, "UTC", "not text"),
        ("0 0 * * *", "Europe/Atlantis", "time zone 'Europe/Atlantis'"),
        ("0 0 * * *", "../secrets", "time zone"),
        ("0 0 * * *", None, "time zone"),
    ],
)
def test_others_are_refused_and_the_rule_is_named(cron, zone, rule: str) -> None:
    with pytest.raises(InvalidDefinition, match=rule):
        check_cron(cron, zone)


def test_times_are_those_of_the_zone_in_utc() -> None:
    assert times("30 7 * * *", "2026-01-10 06:30", 2) == ["01-11 06:30", "01-12 06:30"]
    assert times("30 7 * * *", "2026-07-10 05:29", 2) == ["07-10 05:30", "07-11 05:30"]
    assert times("30 7 * * *", "2026-07-10 07:29", 1, "UTC") == ["07-10 07:30"]


def test_what_the_gap_in_spring_swallows_happens_right_after_it() -> None:
    assert times("30 2 * * *", "2026-03-28 02:00", 2) == ["03-29 01:00", "03-30 00:30"]
    assert times("0 * * * *", "2026-03-28 23:59", 3) == [
        "03-29 00:00",
        "03-29 01:00",
        "03-29 02:00",
    ]


def test_a_fixed_hour_that_comes_twice_in_autumn_happens_once() -> None:
    assert times("30 2 * * *", "2026-10-24 12:00", 2) == ["10-25 00:30", "10-26 01:30"]
    assert times("30 2 * * *", "2026-10-25 01:10", 1) == ["10-26 01:30"]


def test_every_hour_is_every_hour_in_autumn_too() -> None:
    assert times("0 * * * *", "2026-10-24 23:30", 3) == [
        "10-25 00:00",
        "10-25 01:00",
        "10-25 02:00",
    ]
