"""GitHub webhooks become small events, and events become documents."""

import json

import orjson
import pytest

from stepwell.schemas.cloudevents import encode
from stepwell.schemas.documents import Document, Removal
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.github import (
    COMMENT_ACTIONS,
    ISSUE_ACTIONS,
    MILESTONE_ACTIONS,
    Ignored,
    document_of,
    document_of_item,
    github_event,
    is_removal,
    removal_of,
)
from stepwell.schemas.texts import BODY_BYTES_MAX, LABELS_MAX

DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
RECORD_BYTES_MAX = 700_000


def event_of(payload, name="issues"):
    event = github_event(name, DELIVERY, payload)
    assert isinstance(event, CloudEvent)
    return event


def refusal(call, *args):
    with pytest.raises(EventRejected) as caught:
        call(*args)
    assert caught.value.reason is RejectReason.SHAPE
    return caught.value.detail


def test_an_issue_becomes_an_event(sample):
    assert event_of(sample("issues.opened")) == CloudEvent(
        id=DELIVERY,
        source="https://github.com/acme/site",
        type="com.github.issues.opened",
        subject="github:acme/site#42",
        data={
            "type": "issue",
            "repo": "acme/site",
            "number": 42,
            "title": "Search is slow",
            "body": "It takes ten seconds.",
            "state": "open",
            "url": "https://github.com/acme/site/issues/42",
            "labels": ["bug", "search"],
            "updated_at": "2026-01-31T10:00:00Z",
            "action": "opened",
            "truncated": False,
        },
        time="2026-01-31T10:00:00Z",
        extensions={"dataschema": "urn:stepwell:schema:github-issues:1"},
    )


def test_a_milestone_becomes_an_event(sample):
    event = event_of(sample("milestone.closed"), "milestone")
    assert event.type == "com.github.milestone.closed"
    assert event.subject == "github:acme/site/milestone/3"
    assert event.data["body"] == "Below 100 ms."
    assert event.data["labels"] == []


def test_every_sample_is_an_event_or_is_ignored_and_fits(webhook):
    name, payload = webhook
    outcome = github_event(name, DELIVERY, payload, comments=True)
    if name not in {"issues", "milestone", "issue_comment"}:
        assert isinstance(outcome, Ignored)
        return
    assert outcome.type == f"com.github.{name}.{payload['action']}"
    assert len(encode(outcome).value) < 2000
    document = document_of(outcome.data)
    assert document.key == outcome.subject
    assert document.text()


def test_nothing_personal_is_kept(webhook):
    outcome = github_event(webhook[0], DELIVERY, webhook[1], comments=True)
    if isinstance(outcome, CloudEvent):
        text = json.dumps(outcome.data)
        assert webhook[1]["sender"]["login"] not in text.replace(outcome.data["repo"], "")
        assert "avatar" not in text


@pytest.mark.parametrize("action", sorted(ISSUE_ACTIONS))
def test_every_known_action_of_issues_is_an_event(sample, action):
    event = event_of(sample("issues.opened") | {"action": action})
    assert event.type == f"com.github.issues.{action}"
    assert is_removal(event.type) == (action in {"deleted", "transferred"})


@pytest.mark.parametrize("action", sorted(MILESTONE_ACTIONS))
def test_every_known_action_of_milestones_is_an_event(sample, action):
    event = event_of(sample("milestone.created") | {"action": action}, "milestone")
    assert is_removal(event.type) == (action == "deleted")


def test_w19_other_events_are_ignored_with_a_reason(sample):
    assert github_event("ping", DELIVERY, sample("ping")) == Ignored("events 'ping' are not used")


def test_comments_are_ignored_with_a_reason_unless_they_are_wanted(sample):
    outcome = github_event("issue_comment", DELIVERY, sample("issue_comment.created"))
    assert outcome == Ignored("comments are not used: content.comments is off")


def commented(payload):
    return github_event("issue_comment", DELIVERY, payload, comments=True)


def test_a_comment_becomes_an_event_of_its_own(sample):
    payload = sample("issue_comment.created")
    event = commented(payload)
    repo = payload["repository"]["full_name"]
    number, comment = payload["issue"]["number"], payload["comment"]
    assert event.type == "com.github.issue_comment.created"
    assert event.subject == f"github:{repo}#{number}/comment/{comment['id']}"
    assert event.extensions["dataschema"] == "urn:stepwell:schema:github-issue-comment:1"
    document = document_of(event.data)
    assert (document.key, document.type) == (event.subject, "comment")
    assert (document.title, document.body) == (payload["issue"]["title"], comment["body"])
    assert (document.url, document.updated_at) == (comment["html_url"], comment["updated_at"])


@pytest.mark.parametrize("action", sorted(COMMENT_ACTIONS))
def test_every_known_action_of_comments_is_an_event(sample, action):
    event = commented(sample("issue_comment.created") | {"action": action})
    assert event.type == f"com.github.issue_comment.{action}"
    assert is_removal(event.type) == (action == "deleted")
    assert removal_of(event.data).key == event.subject


def test_a_comment_on_a_pull_request_is_ignored_with_a_reason(sample):
    payload = sample("issue_comment.created")
    payload["issue"]["pull_request"] = {}
    assert commented(payload) == Ignored("comments on pull requests are not used")


@pytest.mark.parametrize("name", ["issue", "comment"])
def test_a_comment_without_its_parts_names_what_is_missing(sample, name):
    payload = sample("issue_comment.created")
    del payload[name]
    assert refusal(commented, payload).startswith(f"{name}: object expected")


def test_a_comment_event_without_its_id_names_it(sample):
    data = commented(sample("issue_comment.created")).data
    del data["comment_id"]
    assert refusal(document_of, data) == "data.comment_id: positive integer expected, found nothing"


def test_an_item_of_the_api_is_the_document_of_its_event(sample):
    payload = sample("issues.opened")
    document = document_of_item("issue", "acme/site", payload["issue"])
    assert document == document_of(event_of(payload).data)


def test_w19_an_action_of_the_future_is_ignored_with_a_reason(sample):
    outcome = github_event("issues", DELIVERY, sample("issues.opened") | {"action": "teleported"})
    assert outcome == Ignored("action 'teleported' of 'issues' is not known")


def test_w21_a_milestone_under_the_header_of_issues_names_what_is_missing(sample):
    detail = refusal(github_event, "issues", DELIVERY, sample("milestone.created"))
    assert detail.startswith("issue: object expected")
    assert "looks like 'milestone'" in detail


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"action": None}, "payload.action"),
        ({"action": ["opened"]}, "payload.action"),
        ({"repository": None}, "repository"),
        ({"repository": {"full_name": "acme"}}, "repository.full_name"),
        ({"repository": {"full_name": "a/b#1"}}, "repository.full_name"),
        ({"issue": "42"}, "issue"),
        ({"issue": {"number": None}}, "issue.number"),
        ({"issue": {"number": True}}, "issue.number"),
        ({"issue": {"number": 0}}, "issue.number"),
        ({"issue": {"title": 7}}, "issue.title"),
        ({"issue": {"body": 7}}, "issue.body"),
        ({"issue": {"labels": "bug"}}, "issue.labels"),
        ({"issue": {"updated_at": "now"}}, "issue.updated_at"),
        ({"issue": {"html_url": None}}, "issue.html_url"),
    ],
)
def test_a_wrong_field_is_named(sample, change, path):
    payload = sample("issues.opened")
    for name, value in change.items():
        nested = isinstance(value, dict) and name == "issue"
        payload[name] = payload[name] | value if nested else value
    assert refusal(github_event, "issues", DELIVERY, payload).startswith(f"{path}: ")


def test_w22_an_issue_without_a_body_is_an_event(sample):
    event = event_of(sample("issues.opened.without-body"))
    assert event.data["body"] == ""
    assert document_of(event.data).text() == "Search is slow"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\N{PILE OF POO}" * 65_536, id="65k emoji"),
        pytest.param("a\N{ZERO WIDTH SPACE}b\N{RIGHT-TO-LEFT OVERRIDE}c", id="zero width and RTL"),
        pytest.param("<script>alert(1)</script>{{ 7 }}", id="markup"),
    ],
)
def test_w22_strange_text_is_kept(sample, text):
    payload = sample("issues.opened")
    payload["issue"]["body"] = text
    data = event_of(payload).data
    assert data["body"] == text
    assert not data["truncated"]


def test_w22_nul_and_its_kind_are_taken_out(sample):
    payload = sample("issues.opened")
    payload["issue"] |= {"title": "a\0b", "body": "one\0\x1b[31m\r\n\ttwo", "labels": ["x\0y"]}
    data = event_of(payload).data
    assert data["title"] == "ab"
    assert data["body"] == "one[31m\r\n\ttwo"
    assert data["labels"] == ["xy"]


def test_labels_without_a_name_are_left_out(sample):
    payload = sample("issues.opened")
    payload["issue"]["labels"] = [{"name": None}, {}, None, {"name": "bug"}]
    assert event_of(payload).data["labels"] == ["bug"]
    payload["issue"]["labels"] = None
    assert event_of(payload).data["labels"] == []


@pytest.mark.parametrize("unit", ["x", "é", "\N{PILE OF POO}", '"', "\n", "\x01"])
def test_a_huge_webhook_fits_a_record_and_says_that_it_was_cut(sample, unit):
    payload = sample("issues.opened")
    payload["issue"] |= {
        "title": unit * 100_000,
        "body": unit * 5_000_000,
        "labels": [{"name": unit * 10_000}] * (LABELS_MAX + 1),
    }
    event = event_of(payload)
    assert event.data["truncated"]
    assert len(event.data["body"].encode()) <= BODY_BYTES_MAX
    assert len(orjson.dumps(event.data)) < RECORD_BYTES_MAX


def test_the_data_of_an_event_is_a_document(sample):
    assert document_of(event_of(sample("issues.edited")).data) == Document(
        key="github:acme/site#42",
        type="issue",
        repo="acme/site",
        number=42,
        title="Search is very slow",
        body="It takes ten seconds.",
        state="open",
        url="https://github.com/acme/site/issues/42",
        updated_at="2026-01-31T11:00:00Z",
        labels=("bug", "search"),
    )


def test_a_deleted_issue_is_a_removal(sample):
    event = event_of(sample("issues.deleted"))
    assert is_removal(event.type)
    assert removal_of(event.data) == Removal("github:acme/site#42", "2026-02-01T10:00:00Z")


@pytest.mark.parametrize("name", ["type", "repo", "number", "title", "body", "state", "url"])
def test_t7_a_removed_or_retyped_field_is_refused_by_name(sample, name):
    data = event_of(sample("issues.opened")).data
    for broken in ({k: v for k, v in data.items() if k != name}, data | {name: ["x"]}):
        assert refusal(document_of, broken).startswith(f"data.{name}: ")


def test_t7_unknown_words_and_fields_are_taken(sample):
    data = event_of(sample("issues.opened")).data
    assert document_of(data | {"state": "snoozed", "extra": 1}).state == "snoozed"


@pytest.mark.parametrize("data", [None, [], "text", {"type": "wiki"}])
def test_data_of_something_else_is_refused(data):
    refusal(document_of, data)
    refusal(removal_of, data)
