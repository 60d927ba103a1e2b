"""Bodies that are too large, packed, slow or broken (W11 to W13), and forms (W20)."""

import asyncio
import gzip
import json
from urllib.parse import quote_plus, urlencode

import pytest

from stepwell.streams.gateway.webhooks import Rules


async def raw_answer(gateway, request):
    """Send bytes as they are; the answer up to where the gateway closes the connection."""
    reader, writer = await asyncio.open_connection(*gateway.address)
    try:
        writer.write(request)
        async with asyncio.timeout(30):
            return (await reader.read()).decode()
    finally:
        writer.close()


async def test_w11_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(gateway):
    head = b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    answer = await raw_answer(gateway, head % (26 * 1024 * 1024))
    assert answer.startswith("HTTP/1.1 413 ")
    assert "connection: close" in answer.lower()
    assert "26214400 bytes" in answer


async def test_w11_a_body_in_chunks_is_refused_at_the_limit(gateway_with):
    async def chunks():
        for _ in range(100):
            yield b"x" * 1000

    async with gateway_with(rules=Rules(max_body_bytes=10_000)) as gateway:
        status, answer = await gateway.post(chunks(), {"Content-Type": "application/json"})
        assert status == 413
        assert "10000 bytes" in answer["detail"]
        assert gateway.count("events_rejected_total", source="github", reason="size") == 1


async def test_a_large_webhook_is_stored_cut_to_fit(gateway, sample):
    payload = sample("issues.opened")
    payload["issue"]["body"] = "x" * 24_000_000
    assert (await gateway.post_github(payload))[0] == 202
    [event] = gateway.log.events
    assert event.data["truncated"]
    assert len(gateway.log.records[0].value) < 300_000


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP"])
async def test_w12_packed_bodies_are_not_taken(gateway, encoding):
    packed = gzip.compress(b"0" * 1_000_000) * 1000
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    status, answer, given = await gateway.request(
        "POST", "/webhooks/github", data=packed, headers=headers
    )
    assert status == 415
    assert "Content-Encoding" in answer["detail"]
    assert given["Accept-Encoding"] == "identity"


async def test_w13_a_body_that_does_not_end_is_given_up(gateway_with):
    head = b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    async with gateway_with(rules=Rules(body_timeout_ms=50)) as gateway:
        answer = await raw_answer(gateway, head)
        assert answer.startswith("HTTP/1.1 408 ")
        assert "within 50 ms" in answer
        assert gateway.count("events_rejected_total", source="github", reason="timeout") == 1


async def test_w13_a_huge_header_is_refused(gateway):
    request = b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 100_000
    # aiohttp says 400 where 431 would be exact; it gives no hook to say so.
    assert " 400 " in (await raw_answer(gateway, request)).splitlines()[0]


async def test_w13_headers_that_do_not_end_are_given_up(gateway_with):
    async with gateway_with(idle_timeout_s=0.05) as gateway:
        assert await raw_answer(gateway, b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nX-S") == ""


async def test_a_body_with_broken_framing_is_refused(gateway):
    head = b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    assert " 400 " in (await raw_answer(gateway, head)).splitlines()[0]


async def test_w20_a_form_is_read_after_its_raw_bytes_are_verified(gateway, sample):
    form = urlencode({"payload": json.dumps(sample("issues.opened"))}).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await gateway.post_github(form, **kind))[0] == 202
    [event] = gateway.log.events
    assert event.data["title"] == "Search is slow"
    altered = form.replace(b"slow", b"fast")
    headers = {"X-GitHub-Event": "issues", "X-GitHub-Delivery": "2"} | kind
    assert (await gateway.post(altered, headers))[0] == 401


@pytest.mark.parametrize(
    ("form", "why"),
    [
        (b"", "found 0"),
        (b"other=1", "found 0"),
        (b"payload={}&payload={}", "found 2"),
        (b"payload=%ff", "not a form"),
        (b"payload=\xff", "not a form"),
        (b"a=1&" * 100, "not a form"),
        (b"payload=" + quote_plus("[1").encode(), "at byte 2"),
    ],
)
async def test_w20_a_form_without_one_good_payload_is_refused(gateway, form, why):
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    status, answer = await gateway.post_github(form, **kind)
    assert status == 400
    assert why in answer["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "nonsense"])
async def test_w20_another_kind_of_body_is_told_what_to_send(gateway, sample, kind):
    status, answer = await gateway.post_github(sample("issues.opened"), **{"Content-Type": kind})
    assert status == 415
    assert "application/json" in answer["detail"]
