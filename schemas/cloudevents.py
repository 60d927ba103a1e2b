"""The Kafka binding of CloudEvents 1.0. Both modes are read, binary mode is written."""

from collections.abc import Iterable
from typing import NamedTuple

import orjson

from stepwell.schemas.envelope import (
    CLOUDEVENTS,
    KEY_BYTES_MAX,
    REQUIRED,
    event_of,
    read_structured,
    require_json,
    wrong,
)
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.strict_json import parse

EVENT_BYTES_MAX = 1_000_000
"""Longest record that we write: Kafka's default limit, with room for what the journal adds."""

_PREFIX = "ce_"
_RECORD_OVERHEAD = 100
_HEADER_OVERHEAD = 8
_REGISTRY_HEAD = 5

Headers = Iterable[tuple[str, bytes | None]]


class EventRecord(NamedTuple):
    """A Kafka record: what a producer appends and a consumer reads."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def decode(key: bytes | None, value: bytes | None, headers: Headers) -> CloudEvent | None:
    """The event of a record, None for a tombstone (null value); raises `EventRejected`.

    The subject is the `subject` attribute, else the key, which must be text then, else the id. Of
    equal headers the first one counts.
    """
    if value is None:
        return None
    if key is not None:
        _check_key_length(key)
    _refuse_framing(value)
    attributes = read_attributes(headers)
    content_type = attributes.get("datacontenttype", "")
    structured = content_type.lower().startswith(CLOUDEVENTS)
    if structured or not any(name in attributes for name in ("specversion", *REQUIRED)):
        return read_structured(value, content_type, key)
    require_json(content_type)
    return event_of(attributes, parse(value) if value else None, key)


def encode(event: CloudEvent) -> EventRecord:
    """The record of an event in binary mode, keyed by its subject; raises `EventRejected`.

    One that is longer than `EVENT_BYTES_MAX` is refused too, with its size.
    """
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
    record = EventRecord(key, value, headers)
    if (size := record_bytes(record)) > EVENT_BYTES_MAX:
        detail = (
            f"the event takes {size} bytes in Kafka, the limit is {EVENT_BYTES_MAX}: store the "
            "content elsewhere and send a reference"
        )
        raise EventRejected(RejectReason.SIZE, detail)
    return record


def record_bytes(record: EventRecord) -> int:
    """What a record takes in Kafka, at most."""
    headers = sum(len(name) + len(raw) + _HEADER_OVERHEAD for name, raw in record.headers)
    return len(record.key) + len(record.value) + headers + _RECORD_OVERHEAD


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
            raise wrong(header[:100], f"not UTF-8 at byte {error.start}") from None
    return attributes


def _attribute_name(header: str) -> str | None:
    lower = header.lower()
    if lower == "content-type":
        return "datacontenttype"
    return lower.removeprefix(_PREFIX) if lower.startswith(_PREFIX) else None


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
