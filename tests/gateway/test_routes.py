"""What else can be asked of the gateway, and what its logs say."""

import pytest
import structlog

TOKEN = "a long random token"


async def test_a_gateway_that_lives_is_healthy_even_without_its_log(gateway):
    gateway.log.up = False
    assert (await gateway.request("GET", "/healthz"))[:2] == (200, {"status": "ok"})


async def test_a_gateway_is_ready_while_its_log_answers(gateway):
    assert (await gateway.request("GET", "/readyz"))[:2] == (200, {"status": "ready"})
    gateway.log.up = False
    status, answer, _ = await gateway.request("GET", "/readyz")
    assert status == 503
    assert answer["detail"] == "Kafka does not answer."


async def test_metrics_are_for_prometheus(gateway, sample):
    await gateway.post_github(sample("issues.opened"))
    status, text, headers = await gateway.request("GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    assert 'stepwell_build_info{python="' in text
    assert 'stepwell_events_received_total{event="com.github.issues.opened"' in text
    assert "stepwell_webhook_append_duration_seconds_count 1.0" in text


async def test_metrics_need_the_token_where_there_is_one(gateway_with):
    async with gateway_with(token=TOKEN) as gateway:
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            status, _, headers = await gateway.request("GET", "/metrics", headers=given)
            assert status == 401
            assert headers["WWW-Authenticate"] == "Bearer"
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert (await gateway.request("GET", "/metrics", headers=right))[0] == 200
        assert (await gateway.request("GET", "/healthz"))[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/schemas", "/events", "/nowhere"])
async def test_no_answer_is_guessed_at_or_kept_or_names_versions(gateway, path):
    _, _, headers = await gateway.request("GET", path)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"] == "stepwell"


@pytest.mark.usefixtures("logs_shown")
async def test_logs_say_why_and_never_show_a_secret(gateway, sample):
    with structlog.testing.capture_logs() as lines:
        await gateway.post_github(sample("issues.opened"))
        await gateway.post(b"{}", {"X-Hub-Signature": "sha1=00"})
    accepted, refused = lines
    assert accepted["event_id"] == "72d3162e-cc78-11e3-81ab-4c9367dc0958"
    assert accepted["subject"] == "github:acme/site#42"
    assert "SHA-1" in refused["why"]
    assert "Secret to Everybody" not in str(lines)
    assert "Search is slow" not in str(lines)
