"""Times, durations, sizes and links as people read them."""

import pytest

from stepwell.streams.dashboard.rendering import time_element
from stepwell.streams.dashboard.texts import Shown, changed, duration, number, segment, size


@pytest.mark.parametrize(
    ("ms", "expected"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (1_250, "1.25 s"),
        (59_999, "60 s"),
        (65_000, "1 m 5 s"),
        (3_600_000, "1 h"),
        (90_061_000, "1 d 1 h"),
        (-5_000, "-5 s"),
    ],
)
def test_durations_have_two_units(ms, expected):
    assert duration(ms) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (5 * 2**20, "5.0 MiB"),
        (3 * 2**40, "3072.0 GiB"),
    ],
)
def test_sizes(count, expected):
    assert size(count) == expected


def test_numbers_are_grouped():
    assert number(1_234_567) == "1\u202f234\u202f567"


def test_a_time_is_there_for_scripts_and_for_those_without():
    assert time_element(1_795_000_000_123) == (
        '<time datetime="2026-11-18T11:06:40.123Z" data-ms="1795000000123">'
        "2026-11-18 11:06:40 UTC</time>"
    )


def test_a_part_of_the_query_changes_and_the_rest_stays():
    query = {"status": ["a", "b"], "text": ["x&y"]}
    assert changed(query, text=None) == "?status=a&status=b"
    assert changed(query, status="c") == "?status=c&text=x%26y"
    assert changed({"text": ["x"]}, text=None) == "?"


def test_a_segment_of_a_path_has_no_slash():
    assert segment("a/b?c#d") == "a%2Fb%3Fc%23d"


def test_a_value_is_cut_and_its_size_is_that_of_all_of_it():
    assert Shown.of("é" * 10, 5) == Shown('"éééé', 22, is_cut=True)
    assert Shown.of({"a": b"xy"}) == Shown('{\n  "a": "2 bytes"\n}', 20, is_cut=False)
