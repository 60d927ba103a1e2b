"""What else can be asked of the gateway, and what is refused without an echo (W23)."""

import asyncio
import logging

import pytest
import structlog

TOKEN = "a long random token"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
async def test_w23_only_post_is_allowed(gateway, method):
    status, _, headers = await gateway.request(method, "/webhooks/github")
    assert status == 405
    assert headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/unknown-marker",
        "/webhooks/%2e%2e%2fmarker",
        "/webhooks/..%5cmarker",
        "/webhooks/<marker>",
        "/webhooks/github/marker",
        "/webhooks/",
        "/marker",
        "/",
    ],
)
async def test_w23_unknown_paths_are_not_found_and_not_repeated(gateway, path):
    reader, writer = await asyncio.open_connection(*gateway.address)
    headers = "Host: x\r\nContent-Length: 0\r\nConnection: close"
    writer.write(f"POST {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 404 ")
    assert "marker" not in answer


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


@pytest.fixture
def logs_shown():
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    yield
    structlog.configure(wrapper_class=before)


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
