"""Who may post: GitHub's signature over the raw bytes. Bad ones are in `tests/bad_inputs`."""

import hashlib
import hmac
import json

import orjson
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


def test_comments_become_events_where_they_are_wanted(sample):
    body = orjson.dumps(sample("issue_comment.created"))
    headers = CIMultiDictProxy(CIMultiDict(signed(body) | {"X-GitHub-Event": "issue_comment"}))
    source = GithubSource(["It's a Secret to Everybody"], comments=True)
    event = source.accept(Delivery(headers, "application/json", body, 0.0))
    assert event.subject == "github:acme/site#42/comment/5"


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
