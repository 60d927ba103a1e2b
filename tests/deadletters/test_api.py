"""Dead letters over HTTP: the same as on the command line, one at a time."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import orjson
import pytest
from aiohttp import web

from stepwell.schemas.dead_letters import Failure
from stepwell.streams.gateway.dead_letters import DeadLetterApi, DeadLetters
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.operations import problems
from stepwell.streams.gateway.server import make_runner
from tests.deadletters.topic import EVENTS, MemoryTopics

LETTERS = "/api/v1/dead-letters"
TOKEN = "a long random token"


@dataclass
class Client:
    """A running API over letters in memory."""

    url: str
    session: aiohttp.ClientSession
    topics: MemoryTopics

    async def ask(self, method: str, path: str, **options):
        """(status, body), the body decoded when it is JSON."""
        options.setdefault("headers", {"Authorization": f"Bearer {TOKEN}"})
        async with self.session.request(method, self.url + path, **options) as answer:
            raw = await answer.read()
            return answer.status, orjson.loads(raw) if "json" in answer.content_type else raw


@pytest.fixture
async def api() -> AsyncIterator[Client]:
    topics = MemoryTopics()
    desk = topics.desk()
    letters = DeadLetters(desk.select, desk.show, desk.retry, desk.discard)
    app = web.Application(middlewares=[problems])
    app.add_routes(DeadLetterApi(letters, Guard(TOKEN)).routes())
    runner = make_runner(app, shutdown_timeout_s=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as session:
            yield Client(f"http://127.0.0.1:{runner.addresses[0][1]}", session, topics)
    finally:
        await runner.cleanup()


async def test_open_letters_are_listed_and_filtered(api):
    api.topics.fail(api.topics.event())
    api.topics.now_ms = 2_000
    api.topics.fail(api.topics.event(), Failure("route", "trigger", "no total"))
    status, found = await api.ask("GET", LETTERS)
    assert (status, [each["letter"] for each in found]) == (200, ["3:1", "3:0"])
    for query in ("reason=trigger", "since=2000", "limit=1", "topic=stepwell.events&limit=1"):
        _, found = await api.ask("GET", f"{LETTERS}?{query}")
        assert [each["letter"] for each in found] == ["3:1"]
    assert await api.ask("GET", f"{LETTERS}?topic=none") == (200, [])


async def test_a_query_that_is_no_number_is_refused(api):
    for query in ("since=yesterday", "limit=-1", "limit=" + "9" * 400, "limit=%C2%B2"):
        status, problem = await api.ask("GET", f"{LETTERS}?{query}")
        assert (status, problem["code"]) == (400, "request.query")


async def test_one_letter_is_shown_and_its_bytes_are_downloaded(api):
    api.topics.fail(api.topics.event(b"<script>\x00\xff"))
    status, found = await api.ask("GET", f"{LETTERS}/3:0")
    assert (status, found["letter"]["reason"]) == (200, "decode")
    assert found["value"]["encoding"] == "hex"
    assert found["raw_value"] == "10 bytes"
    assert await api.ask("GET", f"{LETTERS}/3:0/value") == (200, b"<script>\x00\xff")
    assert await api.ask("GET", f"{LETTERS}/3:0/key") == (200, b"order-7")


async def test_a_letter_is_retried_once(api):
    api.topics.fail(api.topics.event())
    status, outcome = await api.ask("POST", f"{LETTERS}/3:0/retry", json={})
    assert (status, outcome["detail"]) == (200, "retried as stepwell.events 3:0")
    assert len(api.topics.log(EVENTS, 3)) == 1
    status, problem = await api.ask("POST", f"{LETTERS}/3:0/retry", json={})
    assert (status, problem["code"]) == (409, "dead_letter.refused")
    _, found = await api.ask("GET", f"{LETTERS}?all=true")
    assert found[0]["state"] == "retried"


async def test_a_letter_is_discarded(api):
    api.topics.fail(api.topics.event())
    assert (await api.ask("POST", f"{LETTERS}/3:0/discard", json={}))[0] == 200
    assert await api.ask("GET", LETTERS) == (200, [])


async def test_what_there_is_not_is_not_found(api):
    for method, path in (("GET", "9:9"), ("GET", "9:9/value"), ("POST", "9:9/retry")):
        options = {"json": {}} if method == "POST" else {}
        status, problem = await api.ask(method, f"{LETTERS}/{path}", **options)
        assert (status, problem["code"]) == (404, "dead_letter.not_found")
    assert (await api.ask("GET", f"{LETTERS}/latest"))[0] == 404


async def test_without_the_token_nobody_may_ask(api):
    api.topics.fail(api.topics.event())
    for method, path in (("GET", LETTERS), ("POST", f"{LETTERS}/3:0/discard")):
        assert (await api.ask(method, path, headers={}))[0] == 401
    assert len((await api.ask("GET", LETTERS))[1]) == 1


async def test_a_form_of_another_page_changes_nothing(api):
    api.topics.fail(api.topics.event())
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://elsewhere.example"}
    status, _ = await api.ask("POST", f"{LETTERS}/3:0/retry", json={}, headers=headers)
    assert status == 403
    status, _ = await api.ask("POST", f"{LETTERS}/3:0/retry", data={"a": "b"})
    assert status == 415
    assert api.topics.log(EVENTS, 3) == []


async def test_without_a_broker_it_says_so(api):
    api.topics.fail(api.topics.event())
    api.topics.fails_after = 0
    status, problem = await api.ask("POST", f"{LETTERS}/3:0/retry", json={})
    assert status == 503
    assert "Look at the letter" in problem["detail"]
