"""An event that is not safe is never answered with 2xx."""

import asyncio
import json


async def test_when_the_log_is_down_the_sender_is_told_to_come_back(
    gateway, github_headers, sample
):
    gateway.log.up = False
    body = json.dumps(sample("issues.opened")).encode()
    status, answer, headers = await gateway.request(
        "POST", "/webhooks/github", data=body, headers=github_headers(body)
    )
    assert status == 503
    assert int(headers["Retry-After"]) > 0
    assert answer["detail"] == "The event could not be stored in time. Send it again."
    assert gateway.count("events_rejected_total", source="github", reason="unavailable") == 1


async def test_no_answer_is_given_before_the_log_acknowledged(gateway, sample, until):
    gateway.log.open_gate.clear()
    post = asyncio.create_task(gateway.post_github(sample("issues.opened")))
    await until(lambda: gateway.log.waiting == 1)
    assert not post.done()
    gateway.log.open_gate.set()
    assert (await post)[0] == 202


async def test_after_an_outage_the_same_delivery_is_stored(gateway, sample):
    gateway.log.up = False
    assert (await gateway.post_github(sample("issues.opened")))[0] == 503
    gateway.log.up = True
    assert (await gateway.post_github(sample("issues.opened")))[0] == 202
    assert len(gateway.log.records) == 1


async def test_a_ping_needs_no_log(gateway, sample):
    gateway.log.up = False
    assert (await gateway.post_github(sample("ping"), event="ping"))[0] == 200
