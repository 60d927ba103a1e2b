"""The `cloudevents` library reads what we write, and we read what it writes."""

from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent as OracleEvent

from stepwell.schemas.asyncapi import record_examples
from stepwell.schemas.cloudevents import decode, encode
from stepwell.schemas.events import CloudEvent

OURS = CloudEvent(
    id="1",
    source="https://github.com/acme/site",
    type="com.github.issues.opened",
    subject="github:acme/site#42",
    data={"title": "Zoë \N{SNOWMAN}", "labels": ["a"], "n": 1.5},
    time="2026-01-31T10:00:00Z",
    extensions={"tenant": "a"},
)


def theirs(**data):
    attributes = {
        "id": "1",
        "source": "/shop",
        "type": "order.placed",
        "subject": "order-9",
        "time": datetime(2026, 1, 31, 10, tzinfo=UTC),
        "datacontenttype": "application/json",
        "tenant": "a",
    }
    return OracleEvent(attributes, data or None)


def test_the_library_reads_what_we_write():
    key, value, headers = encode(OURS)
    event = kafka.from_kafka_event(kafka.KafkaMessage(dict(headers), key, value))
    assert event.get_id() == OURS.id
    assert event.get_source() == OURS.source
    assert event.get_type() == OURS.type
    assert event.get_subject() == OURS.subject
    assert event.get_time() == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert event.get_data() == OURS.data
    assert event.get_extension("tenant") == "a"


def test_the_library_reads_our_examples_in_both_modes():
    for name, (key, value, headers) in record_examples():
        ours = decode(key, value, headers)
        event = kafka.from_kafka_event(kafka.KafkaMessage(dict(headers), key, value))
        assert (event.get_id(), event.get_type()) == (ours.id, ours.type), name
        assert event.get_data() == ours.data


@pytest.mark.parametrize("write", [kafka.to_binary_event, kafka.to_structured_event])
@pytest.mark.parametrize("data", [{}, {"total": 3, "name": "Zoë"}])
def test_we_read_what_the_library_writes(write, data):
    message = write(theirs(**data), key_mapper=lambda event: event.get_subject())
    event = decode(message.key.encode(), message.value, list(message.headers.items()))
    assert event == CloudEvent(
        id="1",
        source="/shop",
        type="order.placed",
        subject="order-9",
        data=data or None,
        time="2026-01-31T10:00:00Z",
        extensions={"tenant": "a"},
    )
