"""The HTTP binding: what is read, what is refused and why; the library agrees."""

import json
from datetime import UTC, datetime

import orjson
import pytest
from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as OracleEvent

from stepwell.schemas.cloudevents_http import (
    Mode,
    decode_batch,
    decode_binary,
    decode_structured,
    mode_of,
)
from stepwell.schemas.envelope import document_of_event
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent

BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "order.placed"}
STRUCTURED = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.placed"}
EVENT = CloudEvent(
    id="1",
    source="/shop",
    type="order.placed",
    subject='Zoë\'s 100 % "order"',
    data={"total": 3, "name": "Zoë"},
    time="2026-01-31T10:00:00Z",
    extensions={"tenant": "a"},
)


def binary(body=b"{}", **changes):
    headers = BINARY | {name.replace("_", "-"): text for name, text in changes.items()}
    return decode_binary([pair for pair in headers.items() if pair[1] is not None], body)


def refused(read, *arguments, **options):
    with pytest.raises(EventRejected) as caught:
        read(*arguments, **options)
    return caught.value


@pytest.mark.parametrize(
    ("content_type", "mode"),
    [
        ("application/json", Mode.BINARY),
        ("", Mode.BINARY),
        ("application/vnd.shop+json; charset=utf-8", Mode.BINARY),
        ("Application/CloudEvents+JSON; charset=UTF-8", Mode.STRUCTURED),
        ("application/cloudevents-batch+json", Mode.BATCH),
        ("application/cloudevents+avro", None),
        ("text/plain", None),
    ],
)
def test_the_content_type_says_the_mode(content_type, mode):
    assert mode_of(content_type) is mode


def test_attributes_are_unescaped_once():
    event = binary(ce_subject="Zo%C3%AB%20%2520", ce_tenant='"a \\"b\\""')
    assert event.subject == "Zoë %20"
    assert event.extensions == {"tenant": 'a "b"'}


def test_a_header_in_plain_utf8_is_read_too():
    raw = "Zoë".encode().decode(errors="surrogateescape")
    assert binary(ce_subject=raw).subject == "Zoë"


@pytest.mark.parametrize("escape", ["%C0%A0", "%FF", "100%", "%zz", "%E2%82"])
def test_a_bad_escape_is_refused_with_the_name_of_the_attribute(escape):
    error = refused(binary, ce_subject=escape)
    assert error.reason is RejectReason.ATTRIBUTE
    assert error.detail.startswith("subject: ")


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
def test_a_missing_attribute_is_named(name):
    assert refused(binary, **{f"ce_{name}": None}).detail.startswith(f"{name}: missing")
    document = {key: text for key, text in STRUCTURED.items() if key != name}
    assert refused(decode_structured, json.dumps(document).encode()).detail.startswith(name)


def test_an_older_version_of_cloudevents_is_refused_by_its_name():
    assert refused(binary, ce_specversion="0.3").reason is RejectReason.VERSION


def test_an_attribute_that_is_there_twice_is_refused():
    headers = [*BINARY.items(), ("CE-Id", "2")]
    assert "twice" in refused(decode_binary, headers, b"{}").detail


def test_the_type_of_the_data_is_the_content_type_and_no_attribute():
    assert "Content-Type" in refused(binary, ce_datacontenttype="application/json").detail


def test_no_body_is_no_data():
    assert binary(b"").data is None


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"3", b'{"a":1,"a":2}', b"{"])
def test_a_body_that_is_no_event_is_refused(body):
    refused(decode_structured, body)


def test_a_batch_is_read_as_a_whole_or_not_at_all():
    two = [STRUCTURED, STRUCTURED | {"id": "2"}]
    assert [event.id for event in decode_batch(json.dumps(two).encode(), 2)] == ["1", "2"]
    assert decode_batch(b"[]", 2) == []
    error = refused(decode_batch, json.dumps([*two, {"specversion": "1.0"}]).encode(), 3)
    assert error.detail == "event 3 of the batch: id: missing"


def test_a_batch_with_too_many_events_is_refused_for_its_size():
    error = refused(decode_batch, json.dumps([STRUCTURED] * 3).encode(), 2)
    assert error.reason is RejectReason.SIZE
    assert "3 events, the limit is 2" in error.detail


def test_a_batch_is_an_array():
    assert "array" in refused(decode_batch, json.dumps(STRUCTURED).encode(), 2).detail


# --- the library ---------------------------------------------------------------------------------


def theirs():
    attributes = {
        "id": EVENT.id,
        "source": EVENT.source,
        "type": EVENT.type,
        "subject": EVENT.subject,
        "time": datetime(2026, 1, 31, 10, tzinfo=UTC),
        "datacontenttype": "application/json",
        "tenant": "a",
    }
    return OracleEvent(attributes, EVENT.data)


def test_we_read_what_the_library_sends_in_binary_mode():
    message = http.to_binary_event(theirs())
    assert mode_of(message.headers["content-type"]) is Mode.BINARY
    assert decode_binary(message.headers.items(), message.body) == EVENT


def test_we_read_what_the_library_sends_in_structured_mode():
    message = http.to_structured_event(theirs())
    assert mode_of(message.headers["content-type"]) is Mode.STRUCTURED
    assert decode_structured(message.body) == EVENT


def test_the_library_reads_what_we_write_in_structured_form():
    body = orjson.dumps(document_of_event(EVENT))
    message = http.HTTPMessage({"content-type": "application/cloudevents+json"}, body)
    for read in (http.from_http_event(message), JSONFormat().read(OracleEvent, body)):
        assert read.get_attributes() == theirs().get_attributes()
        assert read.get_data() == EVENT.data
