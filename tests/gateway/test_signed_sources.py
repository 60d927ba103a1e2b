"""Webhooks of services that are described in the settings: how they sign, what they become."""

import base64
import hashlib
import hmac
import json

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from stepwell.streams.gateway.problems import Problem
from stepwell.streams.gateway.signed import SignedSource
from stepwell.streams.gateway.sources import Delivery
from stepwell.streams.settings import SignedSourceSettings

NOW_S = 1_700_000_000
SECRET, NEXT = "the secret of the shop", "the next secret of the shop"
BODY = json.dumps({"event": "order.placed", "order": {"id": 9}, "webhook_id": "w-1"}).encode()
PLAIN = SignedSourceSettings(
    signature_header="X-Shop-Signature",
    id="header:X-Shop-Id",
    type="/event",
    subject="/order/id",
    prefix="sha256=",
)
TIMED = SignedSourceSettings(
    signature_header="X-Slack-Signature",
    id="/webhook_id",
    type="slack.event",
    prefix="v0=",
    signed="v0:{timestamp}:{body}",
    timestamp_header="X-Slack-Request-Timestamp",
)
ENCODED = SignedSourceSettings(
    signature_header="X-Hmac", id="/webhook_id", type="a", algorithm="sha512", encoding="base64"
)


def digest(signed, secret=SECRET, algorithm=hashlib.sha256):
    return hmac.digest(secret.encode(), signed, algorithm)


def plain(body=BODY, secret=SECRET, **changes):
    headers = {
        "Content-Type": "application/json",
        "X-Shop-Id": "d-1",
        "X-Shop-Signature": f"sha256={digest(body, secret).hex()}",
    }
    return headers | changes


def timed(timestamp=NOW_S, body=BODY):
    signature = digest(b"v0:%s:%s" % (str(timestamp).encode(), body)).hex()
    return {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": str(timestamp),
        "X-Slack-Signature": f"v0={signature}",
    }


@pytest.fixture
async def gateway(gateway_with):
    settings = {"shop": PLAIN, "slack": TIMED, "other": ENCODED}
    sources = {name: SignedSource(name, it, [SECRET, NEXT]) for name, it in settings.items()}
    async with gateway_with(more_sources=sources) as running:
        yield running


async def test_a_delivery_becomes_the_event_that_the_settings_describe(gateway):
    status, answer = await gateway.post(BODY, plain(), "shop")
    assert (status, answer["event"], answer["subject"]) == (202, "d-1", "9")
    [event] = gateway.log.events
    assert (event.source, event.type, event.time) == ("/webhooks/shop", "order.placed", None)
    assert event.data == json.loads(BODY)


async def test_a_delivery_that_comes_again_is_a_duplicate(gateway):
    await gateway.post(BODY, plain(), "shop")
    status, answer = await gateway.post(BODY, plain(secret=NEXT), "shop")
    assert (status, answer["duplicate"]) == (202, True)


async def test_time_is_signed_too_and_is_the_time_of_the_event(gateway):
    status, answer = await gateway.post(BODY, timed(), "slack")
    assert (status, answer["event"], answer["subject"]) == (202, "w-1", "w-1")
    [event] = gateway.log.events
    assert (event.type, event.time) == ("slack.event", "2023-11-14T22:13:20Z")


async def test_other_algorithms_and_encodings(gateway):
    signature = base64.b64encode(digest(BODY, NEXT, hashlib.sha512)).decode()
    headers = {"Content-Type": "application/json", "X-Hmac": signature}
    assert (await gateway.post(BODY, headers, "other"))[0] == 202


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param({"X-Shop-Signature": ""}, "scheme", id="nothing"),
        pytest.param({"X-Shop-Signature": digest(BODY).hex()}, "scheme", id="no prefix"),
        pytest.param({"X-Shop-Signature": "sha256=xyz"}, "scheme", id="no hex"),
        pytest.param({"X-Shop-Signature": "sha256=00"}, "signature", id="too short"),
        pytest.param(plain(body=BODY + b" "), "signature", id="of another body"),
        pytest.param(plain(secret="another secret"), "signature", id="by another secret"),
    ],
)
async def test_a_signature_that_does_not_fit_is_refused(gateway, headers, reason):
    status, answer = await gateway.post(BODY, plain() | headers, "shop")
    assert status == 401
    assert "detail" not in answer
    assert gateway.count("events_rejected_total", source="shop", reason=reason) == 1


async def test_a_missing_signature_is_refused(gateway):
    headers = {"Content-Type": "application/json"}
    assert (await gateway.post(BODY, headers, "shop"))[0] == 401
    assert (await gateway.post(BODY, headers | {"X-Slack-Signature": "v0=00"}, "slack"))[0] == 401


@pytest.mark.parametrize("timestamp", [NOW_S - 301, NOW_S + 301, "yesterday", -1])
async def test_a_delivery_of_another_time_is_refused(gateway, timestamp):
    status, _ = await gateway.post(BODY, timed(timestamp), "slack")
    assert status == 401
    assert gateway.count("events_rejected_total", source="slack", reason="stale") == 1


def test_a_header_that_is_no_utf8_is_refused():
    headers = CIMultiDictProxy(CIMultiDict({"X-Shop-Id": "\udcff"}))
    delivery = Delivery(headers, "application/json", BODY, NOW_S)
    with pytest.raises(Problem) as caught:
        delivery.header("X-Shop-Id")
    assert caught.value.status == 400


async def test_a_header_that_is_there_twice_is_refused(gateway):
    twice = [*plain().items(), ("X-Shop-Signature", "sha256=00")]
    assert (await gateway.post(BODY, twice, "shop"))[0] == 400


async def test_where_the_id_or_type_is_missing_it_is_said(gateway):
    headers = plain()
    del headers["X-Shop-Id"]
    status, answer = await gateway.post(BODY, headers, "shop")
    assert (status, answer["detail"]) == (400, "header X-Shop-Id (id): missing")
    status, answer = await gateway.post(b"{}", plain(b"{}"), "shop")
    assert (status, answer["detail"]) == (422, "/event (type): missing")


async def test_only_objects_in_json_are_taken(gateway):
    assert (await gateway.post(b"[]", plain(b"[]"), "shop"))[0] == 400
    form = plain() | {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await gateway.post(BODY, form, "shop"))[0] == 415
