"""Signed payloads and what becomes of them; bad ones are in `tests/bad_inputs`."""


async def test_a_large_webhook_is_stored_cut_to_fit(gateway, sample):
    payload = sample("issues.opened")
    payload["issue"]["body"] = "x" * 24_000_000
    assert (await gateway.post_github(payload))[0] == 202
    [event] = gateway.log.events
    assert event.data["truncated"]
    assert len(gateway.log.records[0].value) < 300_000


async def test_comments_are_ignored_with_a_reason_unless_they_are_wanted(gateway, sample):
    status, answer = await gateway.post_github(
        sample("issue_comment.created"), event="issue_comment"
    )
    assert (status, answer) == (202, {"ignored": "comments are not used: content.comments is off"})
    assert gateway.log.records == []


async def test_refusals_are_problems_in_json(gateway):
    status, answer, headers = await gateway.request("POST", "/webhooks/github", data=b"{}")
    assert status == answer["status"] == 401
    assert headers["Content-Type"] == "application/problem+json"
