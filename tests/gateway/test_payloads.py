"""Signed payloads that are no event of ours (W14 to W19, W21, W22)."""

import pytest


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"7"])
async def test_w14_what_is_no_object_is_refused(gateway, body):
    status, answer = await gateway.post_github(body)
    assert status == 400
    assert "object expected at byte 0" in answer["detail"]
    assert gateway.count("events_rejected_total", source="github", reason="decode") == 1


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param(b'{"action": "op', "at byte 14", id="truncated"),
        pytest.param(b'{"a": 1}}', "at byte 8", id="trailing garbage"),
        pytest.param(b"\xef\xbb\xbf{}", "at byte 0", id="byte order mark"),
        pytest.param("{}".encode("utf-16"), "at byte 0", id="UTF-16"),
        pytest.param(b'{"a": "\xc0\xaf"}', "at byte 7", id="invalid UTF-8"),
        pytest.param(b'{"a": NaN}', "at byte 6", id="W16 NaN"),
        pytest.param(b'{"a": "\\ud83d"}', "at byte", id="W16 lone surrogate"),
        pytest.param(b'{"a": 1' + b"0" * 30 + b"}", "64 bits", id="W16 huge integer"),
        pytest.param(b"[" * 100_000, "depth", id="W17 nesting"),
        pytest.param(b"{" + b'"a":0,' * 1_000_000 + b'"b":0}', "members", id="W17 a million keys"),
        pytest.param(b'{"a": 1, "a": 2}', "twice", id="W18 equal keys"),
    ],
)
async def test_w15_to_w18_bad_json_is_refused_with_the_place(gateway, body, place):
    status, answer = await gateway.post_github(body)
    assert status == 400
    assert place in answer["detail"]
    assert gateway.log.records == []


async def test_w19_ping_is_answered_with_pong(gateway, sample):
    assert await gateway.post_github(sample("ping"), event="ping") == (200, {"pong": True})
    assert gateway.log.records == []


@pytest.mark.parametrize("event", ["issue_comment", "push", "an_event_of_the_future"])
async def test_w19_other_events_are_ignored_with_a_reason(gateway, sample, event):
    status, answer = await gateway.post_github(sample("issue_comment.created"), event=event)
    assert status == 202
    assert answer == {"ignored": f"events {event!r} are not used"}
    assert gateway.log.records == []


async def test_w19_an_action_of_the_future_is_ignored_with_a_reason(gateway, sample):
    status, answer = await gateway.post_github(sample("issues.opened") | {"action": "teleported"})
    assert status == 202
    assert "teleported" in answer["ignored"]


async def test_w21_a_milestone_under_the_header_of_issues_names_what_is_missing(gateway, sample):
    status, answer = await gateway.post_github(sample("milestone.created"), event="issues")
    assert status == 422
    assert answer["detail"].startswith("issue: object expected")
    assert gateway.count("events_rejected_total", source="github", reason="shape") == 1


async def test_w22_strange_text_is_stored(gateway, sample):
    payload = sample("issues.opened.without-body")
    payload["issue"]["title"] = "\N{PILE OF POO}" * 100 + "\0\u202e\u200b"
    assert (await gateway.post_github(payload))[0] == 202
    [event] = gateway.log.events
    assert event.data["title"] == "\N{PILE OF POO}" * 100 + "\u202e\u200b"
    assert event.data["body"] == ""


async def test_refusals_are_problems_in_json(gateway):
    status, answer, headers = await gateway.request("POST", "/webhooks/github", data=b"{}")
    assert status == answer["status"] == 401
    assert headers["Content-Type"] == "application/problem+json"
