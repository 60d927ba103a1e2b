"""The HTTP binding of CloudEvents 1.0: binary, structured and batch bodies to events."""

import re
from collections.abc import Iterable
from enum import StrEnum
from urllib.parse import unquote_to_bytes

from stepwell.schemas.envelope import (
    BATCH,
    CLOUDEVENTS,
    STRUCTURED,
    event_of,
    event_of_document,
    is_json,
    wrong,
)
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.strict_json import parse_unique

_PREFIX = "ce-"
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)

Headers = Iterable[tuple[str, str]]


class Mode(StrEnum):
    """How a request holds its event or events."""

    BINARY = "binary"
    STRUCTURED = "structured"
    BATCH = "batch"


def mode_of(content_type: str) -> Mode | None:
    """What the Content-Type says, None for what is not read; without one it is binary mode."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in (STRUCTURED, BATCH):
        return Mode.STRUCTURED if media_type == STRUCTURED else Mode.BATCH
    readable = is_json(media_type) and not media_type.startswith(CLOUDEVENTS)
    return Mode.BINARY if readable else None


def decode_binary(headers: Headers, body: bytes) -> CloudEvent:
    """The event of a request whose body is the data; raises `EventRejected`."""
    return event_of(read_attributes(headers), parse_unique(body) if body else None)


def decode_structured(body: bytes) -> CloudEvent:
    """The event of a request whose body is all of it; raises `EventRejected`.

    `ce-` headers beside it mean nothing, as the binding has it.
    """
    return event_of_document(parse_unique(body))


def decode_batch(body: bytes, count_max: int) -> list[CloudEvent]:
    """The events of a batch; raises `EventRejected` naming the first that is none.

    More than `count_max` are refused for their size.
    """
    documents = parse_unique(body)
    if not isinstance(documents, list):
        raise EventRejected(RejectReason.SHAPE, "array of events expected in a batch")
    if len(documents) > count_max:
        detail = f"a batch of {len(documents)} events, the limit is {count_max}: send several"
        raise EventRejected(RejectReason.SIZE, detail)
    return [_nth(number, document) for number, document in enumerate(documents, 1)]


def read_attributes(headers: Headers) -> dict[str, str]:
    """The attributes among HTTP headers, unescaped; raises `EventRejected` naming a wrong one."""
    attributes: dict[str, str] = {}
    for header, value in headers:
        name = header.lower().removeprefix(_PREFIX)
        if name == header.lower():
            continue
        if name in attributes:
            raise wrong(name[:100], f"header {_PREFIX}{name[:100]} is there twice")
        if name == "datacontenttype":
            raise wrong(name, "send it as Content-Type")
        attributes[name] = _unescaped(name, value)
    return attributes


def _unescaped(name: str, value: str) -> str:
    """One round of unquoting and percent-decoding, as the binding asks for."""
    if quoted := _QUOTED.fullmatch(value.strip()):
        value = re.sub(r"\\(.)", r"\1", quoted[1])
    if found := _BAD_ESCAPE.search(value):
        raise wrong(name[:100], f"% at character {found.start()} begins no escape such as %20")
    raw = unquote_to_bytes(value.encode(errors="surrogateescape"))
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise wrong(name[:100], f"its escapes are not UTF-8 at byte {error.start}") from None


def _nth(number: int, document: object) -> CloudEvent:
    try:
        return event_of_document(document)
    except EventRejected as error:
        raise EventRejected(error.reason, f"event {number} of the batch: {error.detail}") from None
