"""What makes attributes and data an event, whatever brought them; and its JSON (structured) form.

The bindings are in `cloudevents.py` (Kafka) and `cloudevents_http.py`. The data of an event is
JSON. Extension attributes are kept as text; `dataschema` is kept with them.
"""

import base64
import binascii
import re
from datetime import datetime

from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent, Json
from stepwell.schemas.strict_json import parse

KEY_BYTES_MAX = 1024
EXTENSIONS_MAX = 64
SCHEMA_VERSION = 1
"""Version of the public event schemas; raised only when a change is not additive."""
STRUCTURED = "application/cloudevents+json"
JSON_TYPE = "application/json"
BATCH = "application/cloudevents-batch+json"

CLOUDEVENTS = "application/cloudevents"
"""How the media types of all structured forms begin."""
SPECVERSION = "1.0"
REQUIRED = ("id", "source", "type")

_CORE = frozenset({"specversion", "id", "source", "type", "subject", "time", "datacontenttype"})
_NAME = re.compile(r"[a-z0-9]+")
RFC3339 = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_OUR_SCHEMA = re.compile(r"urn:stepwell:schema:[a-z0-9-]+:([0-9]{1,9})")


def schema_id(name: str) -> str:
    """The `$id` of a public schema, which events carry as `dataschema`."""
    return f"urn:stepwell:schema:{name}:{SCHEMA_VERSION}"


def event_age_s(time: str | None, now_s: float) -> float | None:
    """Seconds since `time`, never below 0 (sources have clocks of their own); None if unknown."""
    if time is None:
        return None
    try:
        return max(0.0, now_s - datetime.fromisoformat(time.upper()).timestamp())
    except ValueError:  # a leap second; year 1 or 9999 in a zone that leads out of the calendar
        return None


def read_structured(
    raw: bytes, content_type: str = STRUCTURED, key: bytes | None = None
) -> CloudEvent:
    """The event of a JSON document that holds all of it; raises `EventRejected`."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith(CLOUDEVENTS) and media_type != STRUCTURED:
        raise _undecodable(f"content-type {media_type[:100]!r}; send {STRUCTURED}")
    return event_of_document(parse(raw), key)


def event_of_document(document: Json, key: bytes | None = None) -> CloudEvent:
    """The event of a parsed document in structured form; raises `EventRejected`."""
    if not isinstance(document, dict) or "specversion" not in document:
        raise wrong(
            "specversion",
            "missing; in binary mode it is a header (ce_specversion in Kafka, ce-specversion in "
            f"HTTP), in structured mode, {STRUCTURED}, a member of the document",
        )
    members = {name: item for name, item in document.items() if item is not None}
    data, encoded = members.pop("data", None), members.pop("data_base64", None)
    attributes = {name: _text(name, item) for name, item in members.items()}
    if encoded is not None:
        if data is not None:
            raise wrong("data_base64", "data is there too; send one of them")
        require_json(attributes.get("datacontenttype", ""))
        data = _decoded(_text("data_base64", encoded))
    return event_of(attributes, data, key)


def document_of_event(event: CloudEvent) -> dict[str, Json]:
    """The event in structured form; `orjson.dumps` makes it the value of a record or a body."""
    document: dict[str, Json] = {
        "specversion": SPECVERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
    }
    if event.time is not None:
        document["time"] = event.time
    return {**document, **event.extensions, "datacontenttype": JSON_TYPE, "data": event.data}


def _decoded(encoded: str) -> Json:
    try:
        return parse(base64.b64decode(encoded, validate=True))
    except binascii.Error as error:
        raise wrong("data_base64", f"not base64: {error}") from None


def event_of(attributes: dict[str, str], data: Json, key: bytes | None = None) -> CloudEvent:
    """The event that has these attributes; raises `EventRejected` naming a wrong one.

    The subject is the `subject` attribute, else the key, which must be text then, else the id.
    """
    version = attributes.get("specversion")
    if version is None:
        raise wrong("specversion", "missing")
    if version != SPECVERSION:
        raise EventRejected(
            RejectReason.VERSION, f"specversion {version[:20]!r}; this release reads {SPECVERSION}"
        )
    for name in REQUIRED:
        if not attributes.get(name):
            raise wrong(name, "missing" if name not in attributes else "empty")
    time = attributes.get("time")
    if time is not None and not RFC3339.fullmatch(time):
        raise wrong("time", f"{time[:50]!r} is no RFC 3339 time such as 2026-01-31T10:00:00Z")
    return CloudEvent(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        subject=attributes.get("subject") or _key_text(key) or attributes["id"],
        data=data,
        time=time,
        extensions=_extensions(attributes),
    )


def _key_text(key: bytes | None) -> str | None:
    if key is None:
        return None
    try:
        return key.decode()
    except UnicodeDecodeError as error:
        raise EventRejected(
            RejectReason.KEY,
            f"key is not UTF-8 at byte {error.start}: send text, or name the subject (ce_subject)",
        ) from None


def _extensions(attributes: dict[str, str]) -> dict[str, str]:
    found = {name: text for name, text in attributes.items() if name not in _CORE}
    if len(found) > EXTENSIONS_MAX:
        raise wrong("extensions", f"{len(found)} of them; at most {EXTENSIONS_MAX}")
    for name in found:
        if not _NAME.fullmatch(name) or name == "data":
            raise wrong(name[:100], "no name of an attribute: lower-case letters and digits")
    schema = _OUR_SCHEMA.fullmatch(found.get("dataschema", ""))
    if schema and int(schema[1]) > SCHEMA_VERSION:
        raise EventRejected(
            RejectReason.VERSION,
            f"dataschema {schema[0]}; this release reads version {SCHEMA_VERSION}: run a newer one",
        )
    return found


def is_json(content_type: str) -> bool:
    """Whether data of this kind is JSON, which it is also when nothing is said."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in ("", JSON_TYPE) or media_type.endswith(("+json", "/json"))


def require_json(content_type: str) -> None:
    """Refuse data that says to be something else; raises `EventRejected`."""
    if not is_json(content_type):
        media_type = content_type.partition(";")[0].strip().lower()
        raise _undecodable(f"content-type {media_type[:100]!r}; data must be JSON")


def _text(name: str, value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise wrong(name[:100], f"text, integer or boolean expected, found {type(value).__name__}")


def wrong(name: str, detail: str) -> EventRejected:
    """The refusal of an attribute."""
    return EventRejected(RejectReason.ATTRIBUTE, f"{name}: {detail}")


def _undecodable(detail: str) -> EventRejected:
    return EventRejected(RejectReason.DECODE, detail)
