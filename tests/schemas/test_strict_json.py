"""JSON is kept exactly as it was sent, or refused with the place (W14 to W18)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.strict_json import DEPTH_MAX, MEMBERS_MAX, parse, parse_object, parse_unique

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


def refusal(raw, parser=parse_object):
    with pytest.raises(EventRejected) as caught:
        parser(raw)
    assert caught.value.reason is RejectReason.DECODE
    return caught.value.detail


@given(JSON_VALUES)
def test_what_is_taken_is_what_was_sent(value):
    raw = json.dumps(value, ensure_ascii=False).encode()
    assert parse(raw) == parse_unique(raw) == value


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"", "nothing"),
        (b"null", "null"),
        (b"[]", "an array"),
        (b'"x"', "text"),
        (b"7", "a number"),
        (b"true", "a boolean"),
    ],
)
def test_w14_a_webhook_is_an_object(raw, found):
    assert refusal(raw) == f"object expected at byte 0, found {found}"


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        pytest.param(b'{"a": 1', "at byte 7", id="truncated"),
        pytest.param(b'{"a": 1} x', "at byte 9", id="trailing garbage"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', "at byte 0", id="byte order mark"),
        pytest.param('{"a": 1}'.encode("utf-16"), "at byte 0", id="UTF-16"),
        pytest.param('{"a": 1}'.encode("utf-16-le"), "at byte 0", id="UTF-16 without a mark"),
        pytest.param(b'{"a": "\xff"}', "at byte 7", id="invalid UTF-8"),
        pytest.param('{"\N{SNOWMAN}": tru}'.encode(), "at byte 8", id="after three-byte text"),
    ],
)
def test_w15_what_is_no_json_is_refused_with_the_byte(raw, place):
    assert place in refusal(raw)


@pytest.mark.parametrize(
    ("raw", "parser"),
    [
        (raw, parser)
        for raw in (
            b'{"a": NaN}',
            b'{"a": Infinity}',
            b'{"a": -Infinity}',
            b'{"a": 1e999}',
            b'{"a": "\\ud800"}',
            b'{"a": 18446744073709551616}',
            b'{"a": -9223372036854775809}',
            b'{"a": [123456789012345678901234567890]}',
        )
        for parser in (parse, parse_unique)
    ],
)
def test_w16_what_would_be_changed_silently_is_refused(raw, parser):
    refusal(raw, parser)


@pytest.mark.parametrize("number", [2**64 - 1, -(2**63), 10**18])
def test_w16_integers_of_64_bits_and_long_digits_in_text_are_kept(number):
    raw = b'{"a": %d, "b": "12345678901234567890123"}' % number
    assert parse(raw) == parse_unique(raw) == {"a": number, "b": "12345678901234567890123"}


@pytest.mark.parametrize("depth", [DEPTH_MAX + 1, 1000, 100_000])
@pytest.mark.parametrize("level", [(b"[", b"]"), (b'{"a":', b"}")])
def test_w17_deep_nesting_is_refused(depth, level):
    opening, closing = level
    raw = opening * depth + b"1" + closing * depth
    assert "deep" in refusal(raw, parse) or "depth" in refusal(raw, parse)


def test_w17_nesting_up_to_the_limit_is_taken():
    raw = b"[" * DEPTH_MAX + b"]" * DEPTH_MAX
    assert parse(raw) == parse_unique(raw)


def test_w17_a_million_keys_are_refused_before_they_are_parsed():
    raw = b"{" + b",".join(b'"%d":0' % number for number in range(1_000_000)) + b"}"
    assert str(MEMBERS_MAX) in refusal(raw)


def test_w18_equal_keys_in_one_object_are_refused_for_webhooks():
    assert "'a'" in refusal(b'{"x": {"a": 1, "b": 2, "a": 3}}')
    assert parse_unique(b'{"a": {"a": 1}}') == {"a": {"a": 1}}


def test_w18_of_equal_keys_the_last_one_counts_in_the_log():
    assert parse(b'{"a": 1, "a": 2}') == {"a": 2}
