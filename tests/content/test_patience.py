"""When a call is tried again."""

from email.utils import formatdate

import pytest

from stepwell.streams.bindings.errors import ServiceUnavailable
from stepwell.streams.bindings.http import Page, retry_after_ms
from stepwell.streams.bindings.patience import COURTEOUS, patience_ms
from stepwell.streams.engine.workflow import StepContext


def context(attempt: int) -> StepContext:
    return StepContext("fetch-content", 1, attempt, "key", 0, COURTEOUS.shown(), 1000)


def test_the_service_says_when():
    error = ServiceUnavailable("github", "limited", retry_after_ms=17_000)
    assert patience_ms(context(9), error) == 17_000


def test_otherwise_distances_grow_up_to_ten_minutes():
    delays = [patience_ms(context(n), ServiceUnavailable("github", "503")) for n in (1, 2, 3, 90)]
    assert delays == [5_000, 10_000, 20_000, 600_000]


def test_nobody_makes_us_wait_for_more_than_a_day():
    error = ServiceUnavailable("github", "limited", retry_after_ms=10**12)
    assert patience_ms(context(1), error) == 24 * 3_600_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("17", 17_000),
        (formatdate(1_800_000_030, usegmt=True), 30_000),
        (formatdate(1_700_000_000, usegmt=True), 0),
        ("", None),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, expected):
    page = Page("https://example.com", "text/plain", b"", 503, {"Retry-After": text})
    assert retry_after_ms(page, 1_800_000_000.0) == expected
