"""`POST /events`: CloudEvents in binary, structured and batch mode, from whoever has the token."""

import asyncio
import json

import pytest
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent as OracleEvent

from stepwell.schemas.cloudevents import EVENT_BYTES_MAX
from stepwell.streams.gateway.webhooks import Rules

TOKEN = "a long random token"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
BINARY = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/shop",
    "ce-type": "order.placed",
    "ce-subject": "order%209",
    "Content-Type": "application/json",
}


def document(event_id="1", **changes):
    fields = {"specversion": "1.0", "id": event_id, "source": "/shop", "type": "order.placed"}
    return fields | {"subject": "order 9", "data": {"total": 3}} | changes


async def post(gateway, body, headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, answer, _ = await gateway.request("POST", "/events", data=raw, headers=headers)
    return status, answer


async def post_batch(gateway, *documents):
    return await post(gateway, list(documents), {"Content-Type": BATCH})


@pytest.fixture
def with_batches(gateway_with):
    return lambda **options: gateway_with(rules=Rules(max_batch_events=3, **options))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param({"total": 3}, BINARY, id="binary"),
        pytest.param(document(), {"Content-Type": STRUCTURED}, id="structured"),
    ],
)
async def test_an_event_is_stored_and_the_answer_names_it(gateway, body, headers):
    status, answer = await post(gateway, body, headers)
    [event] = gateway.log.events
    assert (event.id, event.source, event.type) == ("1", "/shop", "order.placed")
    assert (event.subject, event.data) == ("order 9", {"total": 3})
    assert status == 202
    instance = answer.pop("instance")
    assert answer == {"event": "1", "subject": "order 9", "duplicate": False}
    assert instance


async def test_an_event_that_comes_again_in_another_mode_is_a_duplicate(gateway):
    await post(gateway, {"total": 3}, BINARY)
    status, answer = await post(gateway, document(), {"Content-Type": STRUCTURED})
    assert (status, answer["duplicate"]) == (202, True)
    assert len(gateway.log.records) == 1


@pytest.mark.parametrize("write", [http.to_binary_event, http.to_structured_event])
async def test_what_the_cloudevents_library_sends_is_stored(gateway, write):
    attributes = {"id": "1", "source": "/shop", "type": "order.placed", "subject": "Zoë 100 %"}
    message = write(OracleEvent(attributes, {"name": "Zoë"}))
    headers = {"Content-Type": "application/json"} | message.headers
    status, _ = await post(gateway, message.body, headers)
    assert status == 202
    [event] = gateway.log.events
    assert (event.subject, event.data) == ("Zoë 100 %", {"name": "Zoë"})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"ce-subject": "%C0%A0"}, "subject"),
        ({"ce-subject": "100%"}, "subject"),
        ({"ce-id": ""}, "id"),
        ({"ce-specversion": "0.3"}, "specversion"),
        ({"ce-time": "yesterday"}, "time"),
        ({"ce-tenant_id": "a"}, "tenant_id"),
    ],
)
async def test_a_wrong_attribute_is_refused_by_its_name(gateway, change, named):
    status, answer = await post(gateway, {}, BINARY | change)
    assert status == 400
    assert answer["detail"].startswith(named)
    assert gateway.log.records == []


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/cloudevents+avro", "application/xml", BATCH]
)
async def test_a_media_type_that_is_not_read_is_refused_with_one_that_is(gateway, content_type):
    status, answer = await post(gateway, [document()], {"Content-Type": content_type})
    assert status == 415
    assert STRUCTURED in answer["detail"]


async def test_an_event_too_large_for_a_record_is_refused_with_its_size_and_the_limit(gateway):
    status, answer = await post(gateway, {"text": "x" * EVENT_BYTES_MAX}, BINARY)
    assert status == 413
    assert f"the limit is {EVENT_BYTES_MAX}" in answer["detail"]
    assert gateway.count("events_rejected_total", source="events", reason="size") == 1


async def test_without_the_token_nothing_is_taken(gateway_with):
    async with gateway_with(token=TOKEN) as gateway:
        for given in ({}, {"Authorization": "Bearer wrong"}):
            assert (await post(gateway, {}, BINARY | given))[0] == 401
        assert gateway.count("events_rejected_total", source="events", reason="token") == 2
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert (await post(gateway, {}, BINARY | right))[0] == 202


async def test_a_page_of_another_site_cannot_send_events(gateway):
    status, _ = await post(gateway, {}, BINARY | {"Origin": "https://elsewhere.example"})
    assert status == 403


async def test_without_the_log_the_sender_is_asked_to_send_again(gateway):
    gateway.log.up = False
    assert (await post(gateway, {}, BINARY))[0] == 503


# --- batches --------------------------------------------------------------------------------------


async def test_a_batch_is_stored_and_each_event_answered_in_order(with_batches):
    async with with_batches() as gateway:
        await post(gateway, {"total": 3}, BINARY)
        status, answer = await post_batch(
            gateway, document("a", subject="x"), document("1"), document("b", subject="x")
        )
        assert status == 202
        stored = [(event["event"], event["duplicate"]) for event in answer["events"]]
        assert stored == [("a", False), ("1", True), ("b", False)]
        assert [event.id for event in gateway.log.events] == ["1", "a", "b"]


async def test_a_batch_with_one_bad_event_is_refused_as_a_whole(with_batches):
    async with with_batches() as gateway:
        for bad in (document(""), {"id": "2"}, document("2", data="x" * EVENT_BYTES_MAX)):
            status, answer = await post_batch(gateway, document("1"), bad)
            assert status in {400, 413}, answer
        assert gateway.log.records == []


async def test_a_batch_with_too_many_events_is_refused_with_the_limit(with_batches):
    async with with_batches() as gateway:
        status, answer = await post_batch(gateway, *(document(str(n)) for n in range(4)))
        assert status == 413
        assert "4 events, the limit is 3" in answer["detail"]


async def test_a_batch_that_contradicts_what_is_stored_is_refused_as_a_whole(with_batches):
    async with with_batches(on_conflict="refuse") as gateway:
        await post_batch(gateway, document("1"))
        other = document("1", data="other")
        assert (await post_batch(gateway, document("2"), other))[0] == 409
        assert (await post_batch(gateway, document("3"), document("3", data="other")))[0] == 409
        assert [event.id for event in gateway.log.events] == ["1"]


async def test_a_batch_that_was_stored_in_part_is_completed_when_it_comes_again(
    with_batches, until
):
    async with with_batches() as gateway:
        await post_batch(gateway, document("1", subject="a"))
        gateway.log.up = False
        batch = [document("1", subject="a"), document("2", subject="b"), document("3", subject="b")]
        assert (await post_batch(gateway, *batch))[0] == 503
        gateway.log.up = True
        status, answer = await post_batch(gateway, *batch)
        assert status == 202
        assert [event["duplicate"] for event in answer["events"]] == [True, False, False]
        assert [event.id for event in gateway.log.events] == ["1", "2", "3"]


async def test_events_of_one_subject_wait_for_each_other_and_others_do_not(with_batches, until):
    async with with_batches() as gateway:
        gateway.log.open_gate.clear()
        batch = [document("1", subject="a"), document("2", subject="a"), document("3", subject="b")]
        posting = asyncio.create_task(post_batch(gateway, *batch))
        await until(lambda: gateway.log.waiting == 2)
        gateway.log.open_gate.set()
        assert (await posting)[0] == 202
        ids = [event.id for event in gateway.log.events]
        assert ids.index("1") < ids.index("2")
