"""JSON pointers find what RFC 6901 says."""

import pytest

from stepwell.schemas.json_pointer import MISSING, look_up, text_at

DOCUMENT = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, "deep": {"null": None}}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/m~0n", 8),
        ("/deep/null", None),
    ],
)
def test_a_value_is_found(pointer, value):
    assert look_up(DOCUMENT, pointer) == value


@pytest.mark.parametrize("pointer", ["/none", "/foo/2", "/foo/-1", "/foo/x", "/foo/0/x", "/foo/²"])
def test_nothing_is_found_where_there_is_nothing(pointer):
    assert look_up(DOCUMENT, pointer) is MISSING


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (7, "7"), (True, None), (1.5, None), (None, None), ([], None)]
)
def test_only_text_and_whole_numbers_are_text(value, text):
    assert text_at({"a": value}, "/a") == text
