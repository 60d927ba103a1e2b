"""Who may post: GitHub's signature over the raw bytes (W1 to W5)."""

import hashlib
import hmac
import json

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.gateway.github import GithubSource
from stepwell.streams.gateway.sources import Delivery, Pong

SIGNATURE = "X-Hub-Signature-256"
REFUSAL = {"type": "about:blank", "title": "Unauthorized", "status": 401}


@pytest.fixture
def body(sample):
    return json.dumps(sample("issues.opened")).encode()


@pytest.fixture
def headers(body):
    return signed(body)


def signed(body, secret="It's a Secret to Everybody"):
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": "1",
        SIGNATURE: f"sha256={digest}",
    }


def test_the_signature_that_github_publishes_is_accepted():
    """The test values in GitHub's documentation of webhook signatures."""
    headers = {
        "X-GitHub-Event": "ping",
        "X-GitHub-Delivery": "1",
        SIGNATURE: "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    }
    delivery = Delivery(
        CIMultiDictProxy(CIMultiDict(headers)), "application/json", b"Hello, World!", 0.0
    )
    assert GithubSource(["It's a Secret to Everybody"]).accept(delivery) == Pong()


async def test_a_signed_delivery_is_stored(gateway, body, headers):
    status, answer = await gateway.post(body, headers)
    assert status == 202
    assert answer["event"] == "1"
    assert answer["subject"] == "github:acme/site#42"
    assert [event.id for event in gateway.log.events] == ["1"]
    assert (
        gateway.count("events_received_total", source="github", event="com.github.issues.opened")
        == 1
    )


async def test_while_a_secret_is_replaced_both_are_accepted(gateway, body):
    for number, secret in enumerate(["It's a Secret to Everybody", "the next secret of this hook"]):
        headers = signed(body, secret) | {"X-GitHub-Delivery": str(number)}
        assert (await gateway.post(body, headers))[0] == 202
    assert (await gateway.post(body, signed(body, "an old secret")))[0] == 401


async def refused(gateway, body, headers, reason):
    assert await gateway.post(body, headers) == (401, REFUSAL)
    assert gateway.log.records == []
    assert gateway.count("events_rejected_total", source="github", reason=reason) == 1


async def test_w1_without_a_signature(gateway, body, headers):
    del headers[SIGNATURE]
    await refused(gateway, body, headers, "missing")


@pytest.mark.parametrize("value", ["", "sha1=00", "sha256=", "sha256=xyz", "md5=" + "0" * 64])
async def test_w1_with_a_signature_of_another_scheme(gateway, body, headers, value):
    await refused(gateway, body, headers | {SIGNATURE: value}, "scheme")


async def test_w2_with_a_wrong_signature(gateway, body, headers):
    await refused(gateway, body, headers | {SIGNATURE: "sha256=" + "0" * 64}, "signature")


async def test_w2_with_one_byte_changed(gateway, body, headers):
    await refused(gateway, body.replace(b"slow", b"slov"), headers, "signature")


async def test_w3_with_a_body_that_a_proxy_wrote_anew(gateway, body, headers):
    rewritten = json.dumps(json.loads(body), indent=1).encode()
    await refused(gateway, rewritten, headers, "signature")


async def test_w4_with_the_legacy_signature_only(gateway, body, headers):
    del headers[SIGNATURE]
    legacy = hmac.new(b"It's a Secret to Everybody", body, hashlib.sha1).hexdigest()
    await refused(gateway, body, headers | {"X-Hub-Signature": f"sha1={legacy}"}, "missing")


async def test_w5_case_and_spaces_do_not_matter(gateway, body, headers):
    shouted = f"  {headers[SIGNATURE].upper()}  "
    assert (await gateway.post(body, headers | {SIGNATURE: shouted}))[0] == 202


async def test_w5_two_signatures_are_refused(gateway, body, headers):
    twice = CIMultiDict(headers)
    twice.add(SIGNATURE, headers[SIGNATURE])
    status, answer = await gateway.post(body, twice)
    assert status == 400
    assert answer["detail"] == "header X-Hub-Signature-256 is there 2 times"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-GitHub-Event", None),
        ("X-GitHub-Event", "issues/../x"),
        ("X-GitHub-Delivery", None),
        ("X-GitHub-Delivery", ""),
        ("X-GitHub-Delivery", "a.b"),
        ("X-GitHub-Delivery", "d" * 1000),
    ],
)
async def test_a_missing_or_strange_header_is_named(gateway, body, headers, name, value):
    changed = {key: text for key, text in (headers | {name: value}).items() if text is not None}
    status, answer = await gateway.post(body, changed)
    assert status == 400
    assert name in answer["detail"]
    assert gateway.log.records == []


def test_an_empty_secret_is_refused():
    with pytest.raises(ConfigurationError, match="empty"):
        GithubSource(["good", ""])
