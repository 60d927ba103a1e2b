"""Dead letters: looked at, retried, discarded with a reason, all without JavaScript."""

import pytest

from stepwell.streams.dashboard.dead_letter_pages import DeadLetterPages
from stepwell.streams.dashboard.hexdump import hexdump
from stepwell.streams.gateway.guards import Guard
from tests.dashboard.conftest import running_site, text_of
from tests.dashboard.desks import Letters, letter


@pytest.fixture
def letters():
    found = Letters()
    found.put(
        letter(),
        letter("0:8", reason="too-large", topic="other.topic", key="k2", whole_bytes=9_000_000),
        letter("1:2", state="discarded", note="nonsense"),
        letter("1:3", workflow="order", instance="o-1", stage="journal", reason="undecodable"),
    )
    return found


def pages_of(letters):
    return (lambda site: DeadLetterPages(site, letters.port).routes(),)


@pytest.fixture
async def site(letters):
    async with running_site(pages=pages_of(letters)) as site:
        yield site


def shown_in(page):
    return [name for name in ("0:7", "0:8", "1:2", "1:3") if f">{name}</a>" in page]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["0:7", "0:8", "1:3"]),
        ("?all=1", ["0:7", "0:8", "1:2", "1:3"]),
        ("?reason=too-large", ["0:8"]),
        ("?topic=other.topic", ["0:8"]),
        ("?subject=k2", ["0:8"]),
        ("?reason=no-such", []),
    ],
)
async def test_the_list_shows_what_is_asked_for(site, query, expected):
    assert shown_in(await site.get(f"/dead-letters{query}")) == expected


async def test_an_empty_list_says_what_that_means(letters):
    letters.letters.clear()
    async with running_site(pages=pages_of(letters)) as site:
        assert "Whatever came in could be processed" in await site.get("/dead-letters")


async def test_a_letter_shows_why_and_what_to_do(site):
    page = await site.get("/dead-letters/0:7")
    shown = text_of(page)
    assert "JSONDecodeError" in shown
    assert "Then retry it." in shown
    assert "stepwell.events 3:42" in shown
    assert "ce_type issue" in shown
    assert 'href="/api/v1/dead-letters/0:7/value"' in page


@pytest.mark.parametrize(
    ("name", "advice"),
    [("0:8", "replay it from there"), ("1:2", "it is settled"), ("1:3", "Look at the instance")],
)
async def test_the_advice_fits_the_letter(site, name, advice):
    assert advice in await site.get(f"/dead-letters/{name}")


async def test_whatever_is_in_a_letter_is_text(site):
    page = await site.get("/dead-letters/0:7") + await site.get("/dead-letters")
    for evil in ("<script>alert", "<svg onload", "<img src=x"):
        assert evil not in page


async def test_binary_values_are_dumped(letters):
    letters.value = b"\x00\x01PNG\xff" * 4
    async with running_site(pages=pages_of(letters)) as site:
        page = await site.get("/dead-letters/0:7")
        assert "00000000  00 01 50 4e 47 ff" in page
        assert "..PNG.." in page


async def test_retry_leads_back_and_says_what_became_of_it(site, letters):
    status, place, _ = await site.post("/dead-letters/0:7/retry", {"note": "mended"})
    assert (status, place) == (303, "/dead-letters/0%3A7")
    assert letters.told == [("0:7", "retried", "mended")]
    page = await site.get(place)
    assert "Retried." in page
    assert "Retry it" not in page


async def test_discarding_needs_a_reason(site, letters):
    status, _, page = await site.post("/dead-letters/0:7/discard", {"note": " "})
    assert status == 422
    assert "Say why" in page
    assert letters.told == []
    status, _, _ = await site.post("/dead-letters/0:7/discard", {"note": "it is nonsense"})
    assert status == 303
    assert letters.told == [("0:7", "discarded", "it is nonsense")]


async def test_a_refusal_is_said_on_the_page(site, letters):
    letters.refusal = "dead letter 0:7 has failed 5 times, the limit is 5"
    status, _, page = await site.post("/dead-letters/0:7/retry")
    assert status == 409
    assert "the limit is 5" in page


async def test_a_letter_that_is_not_there(site):
    assert "there is no dead letter 9:9" in await site.get("/dead-letters/9:9", status=404)
    await site.get("/dead-letters/x", status=404)


async def test_a_form_of_another_site_is_refused(site, letters):
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    status, _, _ = await site.post("/dead-letters/0:7/discard", {"note": "x"}, headers=foreign)
    assert status == 403
    assert letters.told == []


async def test_readers_see_no_forms_and_may_send_none(letters):
    guard = Guard("operator-token-0123456789", "reader-token-0123456789")
    async with running_site(guard=guard, pages=pages_of(letters)) as site:
        reader = {"Authorization": "Bearer reader-token-0123456789", "Accept": "text/html"}
        page = await site.get("/dead-letters/0:7", headers=reader)
        assert '<form method="post" action="/dead-letters' not in page
        status, _, _ = await site.post(
            "/dead-letters/0:7/retry", headers=reader | {"Origin": site.url}
        )
        assert status == 403
        assert letters.told == []


def test_a_hexdump_has_offsets_hexadecimal_and_text():
    lines = hexdump(bytes(range(0x41, 0x41 + 20))).splitlines()
    assert lines[0] == (
        "00000000  41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50  ABCDEFGHIJKLMNOP"
    )
    assert lines[1] == "00000010  51 52 53 54" + " " * 36 + "  QRST"
    assert hexdump(b"") == ""
    assert len(hexdump(b"x" * 10_000).splitlines()) == 64
