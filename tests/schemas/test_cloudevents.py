"""Records on the events topic: what is read, what is refused and why (T1 to T7)."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.schemas.cloudevents import decode, encode
from stepwell.schemas.envelope import EXTENSIONS_MAX, KEY_BYTES_MAX, event_age_s, schema_id
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent

BINARY = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/shop", "ce_type": "order.placed"}
STRUCTURED = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.placed"}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


def read_binary(value=b"{}", key=None, **changes):
    headers = {name: text for name, text in (BINARY | changes).items() if text is not None}
    return decode(key, value, [(name, text.encode()) for name, text in headers.items()])


def read_structured(key=None, content_type="application/cloudevents+json", **changes):
    headers = [("content-type", content_type.encode())] if content_type else []
    document = {name: item for name, item in (STRUCTURED | changes).items() if item is not ...}
    return decode(key, json.dumps(document).encode(), headers)


def refused(read, *args, **changes):
    with pytest.raises(EventRejected) as caught:
        read(*args, **changes)
    return caught.value


@given(
    st.builds(
        CloudEvent,
        id=TEXT,
        source=TEXT,
        type=TEXT,
        subject=TEXT,
        data=st.dictionaries(TEXT, st.integers(-(2**63), 2**63) | TEXT | st.none()),
        time=st.none() | st.just("2026-01-31T10:00:00Z"),
        extensions=st.dictionaries(st.sampled_from(["traceparent", "dataschema", "a1"]), TEXT),
    )
)
def test_an_event_survives_the_log(event):
    assert decode(*encode(event)) == event


def test_binary_mode_is_read():
    event = read_binary(b'{"total": 3}', b"order-9", ce_time="2026-01-31T10:00:00Z", ce_tenant="a")
    assert event == CloudEvent(
        id="1",
        source="/shop",
        type="order.placed",
        subject="order-9",
        data={"total": 3},
        time="2026-01-31T10:00:00Z",
        extensions={"tenant": "a"},
    )


@pytest.mark.parametrize(
    "content_type",
    ["application/cloudevents+json", "Application/CloudEvents+JSON; charset=utf-8", ""],
)
def test_structured_mode_is_read(content_type):
    event = read_structured(b"order-9", content_type, data={"total": 3}, tenant="a", flag=True, n=7)
    assert event.data == {"total": 3}
    assert event.subject == "order-9"
    assert event.extensions == {"tenant": "a", "flag": "true", "n": "7"}


def test_structured_data_may_be_base64():
    encoded = base64.b64encode(b'{"total": 3}').decode()
    assert read_structured(data_base64=encoded).data == {"total": 3}
    assert "base64" in refused(read_structured, data_base64="?").detail
    assert "too" in refused(read_structured, data_base64=encoded, data={}).detail


def test_an_event_may_have_no_data():
    assert read_binary(b"").data is None
    assert read_structured().data is None


def test_t1_a_null_value_is_a_tombstone():
    assert decode(b"order-9", None, []) is None
    assert decode(b"\xff", None, [("ce_id", b"\xff")]) is None


@pytest.mark.parametrize("value", [b"<xml/>", b'{"a": NaN}', b'{"a": "\\udc00"}', b"\x80", b"{"])
def test_t2_a_value_that_is_no_json_is_refused(value):
    error = refused(read_binary, value)
    assert error.reason is RejectReason.DECODE
    assert "at byte" in error.detail


def test_t2_registry_framing_is_named_with_what_to_do():
    framed = b"\x00" + (1234).to_bytes(4, "big") + b'{"a": 1}'
    error = refused(read_binary, framed)
    assert error.reason is RejectReason.FRAMING
    assert "schema id 1234" in error.detail
    assert "plain JSON" in error.detail


@pytest.mark.parametrize("content_type", ["application/avro", "text/plain"])
def test_t2_data_of_another_kind_is_refused(content_type):
    changes = {"content-type": content_type}
    assert content_type in refused(read_binary, **changes).detail
    assert "+json" in refused(read_structured, None, "application/cloudevents+avro").detail
    assert "+json" in refused(read_structured, None, "application/cloudevents-batch+json").detail


@pytest.mark.parametrize("content_type", [None, "application/json; charset=utf-8", "text/json"])
def test_json_has_several_names(content_type):
    assert read_binary(b"[1]", **{"content-type": content_type}).data == [1]


def test_t3_without_a_key_the_subject_or_the_id_stands_in():
    assert read_binary(ce_subject="order-9").subject == "order-9"
    assert read_binary().subject == "1"
    assert read_binary(key=b"").subject == "1"


def test_t3_the_subject_counts_more_than_the_key():
    assert read_binary(key=b"shard-1", ce_subject="order-9").subject == "order-9"


@pytest.mark.parametrize("key", [b"k" * (KEY_BYTES_MAX + 1), b"k" * 1_000_000, b"\x00\x01\xff"])
def test_t3_a_huge_or_binary_key_is_refused(key):
    assert refused(read_binary, key=key).reason is RejectReason.KEY


def test_t3_the_key_need_not_be_text_when_the_subject_is_named():
    for read, name in ((read_binary, "ce_subject"), (read_structured, "subject")):
        assert read(key=b"\x80\0", **{name: "order-9"}).subject == "order-9"
        assert "ce_subject" in refused(read, key=b"\x80\0", **{name: ""}).detail


def test_t3_a_subject_too_long_for_a_key_is_not_written():
    event = CloudEvent("1", "/shop", "order.placed", "s" * (KEY_BYTES_MAX + 1), {})
    assert refused(encode, event).reason is RejectReason.KEY


def test_t4_an_attribute_that_is_not_utf8_is_named():
    headers = [(name, text.encode()) for name, text in BINARY.items()]
    error = refused(decode, None, b"{}", [*headers, ("ce_tenant", b"a\xff")])
    assert error.reason is RejectReason.ATTRIBUTE
    assert error.detail == "ce_tenant: not UTF-8 at byte 1"


def test_t4_of_equal_headers_the_first_counts():
    headers = [(name, text.encode()) for name, text in BINARY.items()]
    assert decode(None, b"{}", [*headers, ("ce_id", b"2"), ("CE_ID", b"\xff")]).id == "1"


def test_t4_ten_thousand_foreign_headers_do_not_matter():
    headers = [(f"x-{number}", b"\xff") for number in range(10_000)]
    headers += [(name, text.encode()) for name, text in BINARY.items()]
    assert decode(None, b"{}", headers).extensions == {}


def test_t4_extensions_are_bounded_and_well_named():
    many = {f"ce_x{number}": "1" for number in range(EXTENSIONS_MAX + 1)}
    assert refused(read_binary, **many).reason is RejectReason.ATTRIBUTE
    assert "my-tenant" in refused(read_binary, **{"ce_my-tenant": "a"}).detail


@pytest.mark.parametrize("time", ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999+23:59"])
def test_t5_any_time_in_the_calendar_is_taken(time):
    assert read_binary(ce_time=time).time == time


def test_t5_an_age_is_never_negative_and_may_be_unknown():
    assert event_age_s("1970-01-01T00:00:10Z", 25.0) == 15.0
    assert event_age_s("9999-12-31T23:59:59Z", 25.0) == 0.0
    assert event_age_s("2016-12-31T23:59:60Z", 25.0) is None
    assert event_age_s(None, 25.0) is None


@pytest.mark.parametrize("time", ["yesterday", "2026-01-31", "2026-13-01T00:00:00Z", "-1", ""])
def test_t5_a_time_that_is_none_is_refused(time):
    assert refused(read_binary, ce_time=time).detail.startswith("time: ")


@pytest.mark.parametrize("version", ["0.3", "2.0", ""])
def test_t6_another_version_of_cloudevents_is_refused(version):
    assert refused(read_binary, ce_specversion=version).reason is RejectReason.VERSION
    assert refused(read_structured, specversion=version).reason is RejectReason.VERSION


def test_t6_data_of_a_later_version_of_our_schemas_is_refused():
    newer = schema_id("github-issues").replace(":1", ":2")
    error = refused(read_binary, ce_dataschema=newer)
    assert error.reason is RejectReason.VERSION
    assert newer in error.detail
    assert read_binary(ce_dataschema="https://acme.example/order/2").id == "1"


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
def test_a_missing_attribute_is_named(name):
    assert refused(read_binary, **{f"ce_{name}": None}).detail == f"{name}: missing"
    assert refused(read_structured, **{name: ...}).detail.startswith(f"{name}: missing")


@pytest.mark.parametrize("name", ["id", "source", "type"])
def test_an_empty_attribute_is_named(name):
    assert refused(read_binary, **{f"ce_{name}": ""}).detail == f"{name}: empty"


def test_an_attribute_of_the_wrong_kind_is_named():
    assert refused(read_structured, id=["1"]).detail.startswith("id: ")
    assert refused(read_structured, specversion=1.0).detail.startswith("specversion: ")


def test_a_plain_record_is_told_what_an_event_needs():
    for value in (b'{"total": 3}', b"[]", b"3"):
        error = refused(decode, b"order-9", value, [])
        assert error.reason is RejectReason.ATTRIBUTE
        assert "ce_specversion" in error.detail


def test_data_that_json_cannot_carry_is_not_written():
    event = CloudEvent("1", "/shop", "order.placed", "order-9", {"when": {1, 2}})
    assert refused(encode, event).reason is RejectReason.SHAPE
