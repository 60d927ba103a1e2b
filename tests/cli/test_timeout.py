"""`--timeout`: a command gives up in time."""

import asyncio
from datetime import UTC, datetime

import click
import pytest

from stepwell.streams.cli.times import Duration, Moment, ago


class Never:
    """An app that does not answer."""

    async def doctor(self, _settings):
        await asyncio.Event().wait()


@pytest.mark.parametrize("timeout", ["0.05", "PT0.05S"])
def test_what_takes_too_long_ends_with_5_and_says_what_that_means(stepwell, app, timeout):
    app.doctor = Never().doctor
    result = stepwell("doctor", "--timeout", timeout)
    assert result.exit_code == 5
    assert "not done within 0.05 s" in result.stderr
    assert "look before you ask again" in result.stderr


def test_in_time_it_changes_nothing(stepwell):
    assert stepwell("doctor", "--timeout", "5m").exit_code == 0


def test_a_timeout_of_the_app_itself_is_not_taken_for_it(stepwell, app):
    app.error = TimeoutError("another one")
    assert stepwell("doctor", "--timeout", "60").exception is app.error


@pytest.mark.parametrize("text", ["0", "-1", "soon", "5 parsecs", "", "1e9", "NaN"])
def test_a_timeout_that_is_none_is_wrong_usage(stepwell, text):
    result = stepwell("doctor", "--timeout", text)
    assert result.exit_code == 2
    assert "90s" in result.stderr or "--timeout" in result.stderr


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("30", 30_000), ("90s", 90_000), ("1.5h", 5_400_000), ("P1DT2H", 93_600_000)],
)
def test_durations(text, milliseconds):
    assert Duration()(text) == milliseconds


def test_a_moment_may_lie_before_1970_in_no_case():
    assert Moment()("2026-01-01T01:00:00+01:00") == 1_767_225_600_000
    assert Moment()("999999999d") > 0
    with pytest.raises(click.BadParameter):
        Moment()("1767225600000")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "now"), (-5, "5s ago"), (3600, "in 1h"), (-86_400 * 3, "3d ago"), (-119, "1m ago")],
)
def test_how_long_ago(seconds, said):
    now_ms = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
    assert ago(now_ms + seconds * 1000, now_ms) == said
