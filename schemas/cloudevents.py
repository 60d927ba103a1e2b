"""The Kafka binding of CloudEvents 1.0. Both modes are read, binary mode is written.

The data of an event is JSON. Extension attributes are kept as text; `dataschema` is kept with them.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import orjson

from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent, Json
from stepwell.schemas.strict_json import parse

KEY_BYTES_MAX = 1024
EXTENSIONS_MAX = 64
SCHEMA_VERSION = 1
"""Version of the public event schemas; raised only when a change is not additive."""

_PREFIX = "ce_"
_SPECVERSION = "1.0"
_STRUCTURED = "application/cloudevents"
_REQUIRED = ("id", "source", "type")
_CORE = frozenset({"specversion", "id", "source", "type", "subject", "time", "datacontenttype"})
_NAME = re.compile(r"[a-z0-9]+")
RFC3339 = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_OUR_SCHEMA = re.compile(r"urn:stepwell:schema:[a-z0-9-]+:([0-9]{1,9})")
_REGISTRY_HEAD = 5

Headers = Iterable[tuple[str, bytes | None]]


class EventRecord(NamedTuple):
    """A Kafka record: what a producer appends and a consumer reads."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def schema_id(name: str) -> str:
    """The `$id` of a public schema, which events carry as `dataschema`."""
    return f"urn:stepwell:schema:{name}:{SCHEMA_VERSION}"


def decode(key: bytes | None, value: bytes | None, headers: Headers) -> CloudEvent | None:
    """The event of a record, None for a tombstone (null value); raises `EventRejected`.

    The subject is the `subject` attribute, else the key, else the id. Of equal headers the first
    one counts.
    """
    if value is None:
        return None
    _refuse_framing(value)
    attributes = read_attributes(headers)
    content_type = attributes.get("datacontenttype", "")
    structured = content_type.lower().startswith(_STRUCTURED)
    if structured or not any(name in attributes for name in ("specversion", *_REQUIRED)):
        attributes, data = _structured(value, content_type)
    else:
        _require_json(content_type)
        data = parse(value) if value else None
    return _event(attributes, data, _key_text(key))


def encode(event: CloudEvent) -> EventRecord:
    """The record of an event in binary mode, keyed by its subject; raises `EventRejected`."""
    subject = event.subject or event.id
    key = subject.encode()
    _check_key_length(key)
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        ("ce_subject", key),
        ("content-type", b"application/json"),
    ]
    if event.time is not None:
        headers.append(("ce_time", event.time.encode()))
    headers += [(_PREFIX + name, text.encode()) for name, text in event.extensions.items()]
    try:
        value = orjson.dumps(event.data)
    except orjson.JSONEncodeError as error:
        raise EventRejected(
            RejectReason.SHAPE, f"data: cannot be written as JSON: {error}"
        ) from error
    return EventRecord(key, value, headers)


def read_attributes(headers: Headers) -> dict[str, str]:
    """The CloudEvents attributes among Kafka headers, unchecked; `EventRejected` if not UTF-8."""
    attributes: dict[str, str] = {}
    for header, raw in headers:
        name = _attribute_name(header)
        if name is None or raw is None or name in attributes:
            continue
        try:
            attributes[name] = raw.decode()
        except UnicodeDecodeError as error:
            raise _attribute(header[:100], f"not UTF-8 at byte {error.start}") from None
    return attributes


def event_age_s(time: str | None, now_s: float) -> float | None:
    """Seconds since `time`, never below 0 (sources have clocks of their own); None if unknown."""
    if time is None:
        return None
    try:
        return max(0.0, now_s - datetime.fromisoformat(time.upper()).timestamp())
    except ValueError:  # a leap second; year 1 or 9999 in a zone that leads out of the calendar
        return None


def _attribute_name(header: str) -> str | None:
    lower = header.lower()
    if lower == "content-type":
        return "datacontenttype"
    return lower.removeprefix(_PREFIX) if lower.startswith(_PREFIX) else None


def _structured(value: bytes, content_type: str) -> tuple[dict[str, str], Json]:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith(_STRUCTURED) and media_type != f"{_STRUCTURED}+json":
        raise _undecodable(f"content-type {media_type[:100]!r}; send {_STRUCTURED}+json")
    document = parse(value)
    if not isinstance(document, dict) or "specversion" not in document:
        raise _attribute(
            "specversion",
            "missing; a record needs ce_ headers (binary mode) or all of the event "
            f"in its value (structured mode, content-type {_STRUCTURED}+json)",
        )
    data = document.pop("data", None)
    encoded = document.pop("data_base64", None)
    attributes = {name: _text(name, item) for name, item in document.items() if item is not None}
    if encoded is None:
        return attributes, data
    if data is not None:
        raise _attribute("data_base64", "data is there too; send one of them")
    _require_json(attributes.get("datacontenttype", ""))
    try:
        return attributes, parse(base64.b64decode(_text("data_base64", encoded), validate=True))
    except binascii.Error as error:
        raise _attribute("data_base64", f"not base64: {error}") from None


def _event(attributes: dict[str, str], data: Json, key: str | None) -> CloudEvent:
    version = attributes.get("specversion")
    if version is None:
        raise _attribute("specversion", "missing")
    if version != _SPECVERSION:
        raise EventRejected(
            RejectReason.VERSION, f"specversion {version[:20]!r}; this release reads {_SPECVERSION}"
        )
    for name in _REQUIRED:
        if not attributes.get(name):
            raise _attribute(name, "missing" if name not in attributes else "empty")
    time = attributes.get("time")
    if time is not None and not RFC3339.fullmatch(time):
        raise _attribute("time", f"{time[:50]!r} is no RFC 3339 time such as 2026-01-31T10:00:00Z")
    return CloudEvent(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        subject=attributes.get("subject") or key or attributes["id"],
        data=data,
        time=time,
        extensions=_extensions(attributes),
    )


def _extensions(attributes: dict[str, str]) -> dict[str, str]:
    found = {name: text for name, text in attributes.items() if name not in _CORE}
    if len(found) > EXTENSIONS_MAX:
        raise _attribute("extensions", f"{len(found)} of them; at most {EXTENSIONS_MAX}")
    for name in found:
        if not _NAME.fullmatch(name):
            raise _attribute(name[:100], "names are of lower-case letters and digits")
    schema = _OUR_SCHEMA.fullmatch(found.get("dataschema", ""))
    if schema and int(schema[1]) > SCHEMA_VERSION:
        raise EventRejected(
            RejectReason.VERSION,
            f"dataschema {schema[0]}; this release reads version {SCHEMA_VERSION}: run a newer one",
        )
    return found


def _key_text(key: bytes | None) -> str | None:
    if not key:
        return None
    _check_key_length(key)
    try:
        return key.decode()
    except UnicodeDecodeError as error:
        raise EventRejected(RejectReason.KEY, f"key is not UTF-8 at byte {error.start}") from None


def _check_key_length(key: bytes) -> None:
    if len(key) > KEY_BYTES_MAX:
        raise EventRejected(
            RejectReason.KEY,
            f"key has {len(key)} bytes; at most {KEY_BYTES_MAX}: shorten the subject",
        )


def _refuse_framing(value: bytes) -> None:
    if len(value) >= _REGISTRY_HEAD and value[0] == 0:
        schema = int.from_bytes(value[1:_REGISTRY_HEAD], "big")
        raise EventRejected(
            RejectReason.FRAMING,
            f"value begins with 0x00 and schema id {schema}, as schema-registry serialisers write "
            "it; let the producer use a plain JSON or bytes serialiser",
        )


def _require_json(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if (
        media_type
        and media_type != "application/json"
        and not media_type.endswith(("+json", "/json"))
    ):
        raise _undecodable(f"content-type {media_type[:100]!r}; data must be JSON")


def _text(name: str, value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise _attribute(name[:100], f"text, integer or boolean expected, found {type(value).__name__}")


def _attribute(name: str, detail: str) -> EventRejected:
    return EventRejected(RejectReason.ATTRIBUTE, f"{name}: {detail}")


def _undecodable(detail: str) -> EventRejected:
    return EventRejected(RejectReason.DECODE, detail)
