"""Parts of the site of the puns: texts, rates, handing over to a gateway, its command."""

import json

import pytest
from aiohttp import web
from click.testing import CliRunner

from stepwell.streams.bindings.errors import RefusedByService, ServiceUnavailable
from stepwell.streams.bindings.http import Http
from stepwell.streams.bindings.language import Question
from stepwell.streams.cli.root import cli
from stepwell.streams.examples.pun_site import rates
from stepwell.streams.examples.pun_site.handing import start_through
from stepwell.streams.examples.pun_site.rates import Rate
from stepwell.streams.examples.pun_site.texts import (
    TextRefused,
    categories,
    checked,
    cleaned,
    number_of,
    objection,
    verdict,
)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("  two\n\n words\t", "two words"),
        ("a\x00b\u202ec\u200bd", "abcd"),
        ("👩‍👩‍👧 family", "👩‍👩‍👧 family"),
        ("Größe 漢字", "Größe 漢字"),
    ],
)
def test_a_pun_is_one_line_of_visible_characters(typed: str, expected: str):
    assert cleaned(typed) == expected


def test_a_pun_is_neither_short_nor_long():
    assert checked(" x" * 10) == " ".join("x" * 10)
    for text in ("x" * 9, "x" * 281, ""):
        with pytest.raises(TextRefused):
            checked(text)


def test_the_same_words_are_the_same_pun_and_its_number_fits_an_index():
    assert number_of("A Pun") == number_of("a pun")
    assert number_of("a pun") != number_of("another pun")
    assert 0 <= number_of("\ud800 unpaired") < 2**53


@pytest.mark.parametrize(
    ("pun", "why"),
    [
        ("a scrap of crap", "rude: crap"),
        ("a scrapped damsel", ""),
        ("mail me@example.com", "an address: puns carry no links"),
        ("hahahahaha", ""),
        ("haaaaaaaaaa", "the same character over and over"),
        ("ALL OF THIS IS VERY LOUD", "all in capitals"),
        ("NASA is OK", ""),
    ],
)
def test_what_a_moderator_objects_to(pun: str, why: str):
    assert objection(pun) == why
    assert json.loads(verdict(Question(pun))) == {"acceptable": not why, "reason": why}


def test_well_known_words_make_categories():
    assert categories(Question("Time flies, says the baker")) == "baking, insects, time"
    assert categories(Question("nothing of the kind")) == ""


def test_a_rate_holds_for_each_sender_and_passes_with_time(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    rate = Rate(2, 10.0, clock=lambda: now[0])
    assert [rate.wait_s("a"), rate.wait_s("a"), rate.wait_s("b")] == [0, 0, 0]
    now[0] = 4.5
    assert rate.wait_s("a") == 6
    now[0] = 10.5
    assert rate.wait_s("a") == 0
    monkeypatch.setattr(rates, "SENDERS_MAX", 2)
    for sender in "cdefg":
        rate.wait_s(sender)
    assert len(rate._seen) == 2


@pytest.fixture
async def gateway():
    """A gateway that answers the statuses it is given, and remembers what it was asked."""
    asked, statuses = [], []

    async def create(request: web.Request) -> web.Response:
        asked.append((await request.json(), request.headers.get("Authorization")))
        return web.Response(status=statuses.pop(0))

    app = web.Application()
    app.add_routes([web.post("/api/v1/workflows/publish-pun/instances", create)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}", asked, statuses
    await runner.cleanup()


async def test_a_draft_is_handed_to_the_gateway_under_an_id_of_its_own(gateway):
    url, asked, statuses = gateway
    statuses += [201, 409, 503, 401]
    async with Http(private=True) as http:
        start = start_through(http, url, "secret")
        await start(7)
        await start(7)  # it runs already
        with pytest.raises(ServiceUnavailable, match="503"):
            await start(7)
        with pytest.raises(RefusedByService, match="401"):
            await start(7)
    assert asked[0] == ({"id": "pun-7", "params": {"pun_id": 7}}, "Bearer secret")


def test_the_command_says_what_it_runs():
    result = CliRunner().invoke(cli, ["example", "site", "--help"])
    assert result.exit_code == 0
    assert "a worker that carries publish-pun" in " ".join(result.stdout.split())


def test_a_port_that_is_none_is_wrong_usage():
    result = CliRunner().invoke(cli, ["example", "site", "--port", "0"])
    assert result.exit_code == 2
