"""Lines of JSON become events and records."""

import json
from datetime import UTC, datetime

import pytest

from stepwell.schemas.cloudevents import decode
from stepwell.schemas.errors import EventRejected
from stepwell.schemas.event_lines import LineFormat

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ORDER = {"number": 9, "customer": {"name": "Zoë"}}
WHOLE = {
    "specversion": "1.0",
    "id": "1",
    "source": "/shop",
    "type": "order.placed",
    "subject": "order-9",
    "data": ORDER,
}


def read(line_format, document):
    event, record = line_format.record(json.dumps(document).encode(), lambda: "made-up", NOW)
    assert decode(*record) == event
    return event, record


def refusal(line_format, line):
    with pytest.raises(EventRejected) as caught:
        line_format.record(line, lambda: "made-up", NOW)
    return str(caught.value)


def test_a_line_is_a_whole_event():
    event, record = read(LineFormat(), WHOLE)
    assert (event.id, event.type, event.subject, event.data) == (
        "1",
        "order.placed",
        "order-9",
        ORDER,
    )
    assert record.key == b"order-9"


def test_a_line_is_the_data_of_an_event_of_one_type():
    event, record = read(LineFormat(type="order.placed", source="/shop"), ORDER)
    assert (event.id, event.source, event.type, event.data) == (
        "made-up",
        "/shop",
        "order.placed",
        ORDER,
    )
    assert record.key == b"made-up"
    assert event.time == "2026-11-21T00:00:00+00:00"


def test_the_data_says_id_and_subject():
    line_format = LineFormat(type="order.placed", id_field="number", key="/customer/name")
    event, record = read(line_format, ORDER)
    assert (event.id, event.subject, record.key) == ("9", "Zoë", "Zoë".encode())


def test_the_key_of_a_whole_event_may_come_from_its_data():
    event, _ = read(LineFormat(key="number"), WHOLE)
    assert event.subject == "9"


def test_one_subject_for_all():
    event, _ = read(LineFormat(type="order.placed", subject="shop"), ORDER)
    assert event.subject == "shop"


def test_headers_are_added_and_are_no_attributes():
    event, record = read(LineFormat(headers=(("traceparent", "00-ab"),)), WHOLE)
    assert record.headers[-1] == ("traceparent", b"00-ab")
    assert event.extensions == {}


def test_a_line_that_is_no_event_is_refused():
    assert "invalid JSON" in refusal(LineFormat(), b"{")
    assert "specversion: missing" in refusal(LineFormat(), b'{"number": 9}')
    assert "at number" in refusal(LineFormat(type="a", id_field="number"), b"[]")
    assert "at /a/b" in refusal(LineFormat(type="a", key="/a/b"), b'{"a": {"b": null}}')


def test_a_line_too_long_for_a_record_is_refused_with_its_size_and_the_limit():
    detail = refusal(LineFormat(type="a"), json.dumps("x" * 1_000_000).encode())
    assert "1000263 bytes" in detail or "the limit is 1000000" in detail
