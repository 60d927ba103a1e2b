"""Standard Webhooks: signature, time window, types, secrets. See also `tests/bad_inputs`."""

import base64
import hashlib
import hmac
import json

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.gateway.sources import Delivery
from stepwell.streams.gateway.standard_webhooks import TOLERANCE_S, StandardWebhooksSource

NOW_S = 1_700_000_000
SECRET = b"0123456789abcdef01234567"
BODY = {"type": "user.created", "timestamp": "2023-11-14T22:13:19Z", "data": {"id": "u1"}}


def signature(body, message_id="msg_1", sent=NOW_S, secret=SECRET):
    signed = f"{message_id}.{sent}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


async def post(gateway, payload=BODY, message_id="msg_1", sent=NOW_S, **headers):
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    given = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(sent),
        "webhook-signature": signature(body, message_id, sent),
    }
    return await gateway.post(body, given | headers, source="standard")


def test_the_signature_that_the_specification_publishes_is_accepted():
    """The example in the reference libraries' tests."""
    body = b'{"test": 2432232314}'
    source = StandardWebhooksSource(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    delivery = Delivery(CIMultiDictProxy(CIMultiDict(headers)), "text/plain", body, 1614265330.0)
    # Verified: what is complained about is the kind of body, which is looked at afterwards.
    with pytest.raises(Exception, match="media_type"):
        source.accept(delivery)


async def test_a_message_becomes_an_event(gateway):
    status, answer = await post(gateway)
    assert (status, answer["event"]) == (202, "msg_1")
    [event] = gateway.log.events
    assert event.type == "user.created"
    assert event.source == "/webhooks/standard"
    assert event.subject == "msg_1"
    assert event.time == "2023-11-14T22:13:19Z"
    assert event.data == {"id": "u1"}


async def test_a_subject_orders_messages_and_a_missing_time_is_that_of_sending(gateway):
    await post(gateway, {"type": "user.created", "subject": "u1"})
    [event] = gateway.log.events
    assert event.subject == "u1"
    assert event.time == "2023-11-14T22:13:20Z"
    assert event.data is None


@pytest.mark.parametrize("seconds", [-TOLERANCE_S, TOLERANCE_S])
async def test_a_clock_may_be_five_minutes_off(gateway, seconds):
    assert (await post(gateway, sent=NOW_S + seconds))[0] == 202


@pytest.mark.parametrize("value", ["", "v1", "v1,", "v1,wrong", "v2,abc", "v1,\u00e9"])
async def test_a_wrong_signature_is_refused(gateway, value):
    status, answer = await post(gateway, **{"webhook-signature": value})
    assert status == 401
    assert "detail" not in answer
    assert gateway.log.records == []


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_a_missing_header_is_refused(gateway, name):
    body = json.dumps(BODY).encode()
    headers = {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,x"}
    del headers[name]
    assert (await gateway.post(body, headers, source="standard"))[0] == 401


@pytest.mark.parametrize(
    "body", [{}, {"type": ""}, {"type": 7}, {"type": "a b"}, {"type": "t" * 200}]
)
async def test_a_message_without_a_good_type_is_refused(gateway, body):
    status, answer = await post(gateway, body)
    assert status == 422
    assert answer["detail"].startswith("type: ")


async def test_a_message_too_large_for_the_log_is_refused(gateway):
    status, _ = await post(gateway, {"type": "big", "data": "x" * 1_100_000})
    assert status == 413
    assert gateway.count("events_rejected_total", source="standard", reason="size") == 1


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_?", base64.b64encode(SECRET).decode()]
)
def test_a_secret_of_another_form_is_refused_without_being_shown(secret):
    with pytest.raises(ConfigurationError) as caught:
        StandardWebhooksSource([secret])
    assert "whsec_" in str(caught.value)
    assert "c2hvcnQ" not in str(caught.value)
