"""JSON that loses nothing: what cannot be kept exactly as it was sent is refused, with its place.

orjson refuses NaN, lone surrogates, byte order marks, invalid UTF-8 and trailing text by itself;
this adds integers beyond 64 bits, duplicate keys, and guards for depth and number of members.
"""

import json
from collections.abc import Callable
from typing import Any

import orjson

from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import Json

MEMBERS_MAX = 100_000
"""Commas and colons in one document, those in text included; parsing this many takes 40 ms."""
DEPTH_MAX = 200
"""Nesting; orjson writes 254 levels, and records of ours are wrapped around the value."""

_WRITABLE_DEPTH = 254
_LONGEST_INT64 = 19
_DIGITS = b"0" * _LONGEST_INT64
_ONLY_DIGITS = bytes(b"0"[0] if chr(byte) in "0123456789" else b" "[0] for byte in range(256))

_Pairs = list[tuple[str, Any]]


def parse(raw: bytes) -> Json:
    """The value; raises `EventRejected` with a byte offset. Of equal keys the last one counts."""
    value = _loads(raw)
    if _DIGITS in raw.translate(_ONLY_DIGITS):  # a cheap look; only a suspect is parsed twice
        _inspect(raw, dict)
    return value


def parse_unique(raw: bytes) -> Json:
    """Like `parse`, and equal keys in one object are refused; about four times the time."""
    value = _loads(raw)
    _inspect(raw, _unique)
    return value


def parse_object(raw: bytes) -> dict[str, Json]:
    """Like `parse_unique`, for a document that must be an object."""
    value = parse_unique(raw)
    if not isinstance(value, dict):
        raise _undecodable(f"object expected at byte 0, found {_kind(value)}")
    return value


def _loads(raw: bytes) -> Json:
    if raw.count(b",") + raw.count(b":") > MEMBERS_MAX:
        raise _undecodable(f"more than {MEMBERS_MAX} members; send less in one document")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _undecodable(_explain(raw, error)) from None
    if raw.count(b"[") + raw.count(b"{") > DEPTH_MAX and not _can_be_written(value):
        raise _undecodable(f"nested more than {DEPTH_MAX} levels deep")
    return value


def _can_be_written(value: Json) -> bool:
    for _ in range(_WRITABLE_DEPTH - DEPTH_MAX):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True


def _explain(raw: bytes, error: orjson.JSONDecodeError) -> str:
    if not raw:
        return "object expected at byte 0, found nothing"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw[:4]:
        return "no UTF-8 JSON at byte 0; it looks like UTF-16, UTF-32 or a binary format"
    try:
        raw.decode()
    except UnicodeDecodeError as undecodable:
        return f"invalid UTF-8 at byte {undecodable.start}"
    return f"invalid JSON at byte {len(error.doc[: error.pos].encode())}: {error.msg}"


def _inspect(raw: bytes, make_object: Callable[[_Pairs], Any]) -> None:
    # The standard parser has hooks for what orjson does silently.
    json.loads(raw, object_pairs_hook=make_object, parse_int=_int64)


def _unique(pairs: _Pairs) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _undecodable(f"key {twice[:100]!r} is there twice in one object; which one counts?")
    return found


def _int64(digits: str) -> int:
    if len(digits) < _LONGEST_INT64 or -(2**63) <= int(digits[:40]) < 2**64:
        return int(digits)
    raise _undecodable(f"integer {digits[:40]} needs more than 64 bits; send it as text")


def _kind(value: Json) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "an array"}
    return names.get(type(value), "null")


def _undecodable(detail: str) -> EventRejected:
    return EventRejected(RejectReason.DECODE, detail)
