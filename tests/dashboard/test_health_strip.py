"""The strip on every page: what is well and what is not, without anybody waiting for it."""

import asyncio

import pytest

from stepwell.streams.errors import IndexUnavailable
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.health import (
    HealthApi,
    HealthBoard,
    HealthPart,
    HealthState,
    Look,
)
from tests.dashboard import conftest
from tests.dashboard.conftest import NOW_MS, running_site, text_of


async def broker():
    lag = HealthPart("consumer lag", HealthState.WARN, "1,204", '"><script>alert(1)</script>')
    return HealthPart("broker", HealthState.GOOD, "reachable"), lag


async def index():
    raise IndexUnavailable("index: <b>connection refused</b>")


async def last():
    return (HealthPart("last event", HealthState.GOOD, "at", at_ms=NOW_MS),)


async def never():
    await asyncio.Event().wait()
    return ()


@pytest.fixture
async def board():
    board = HealthBoard(
        (
            Look(("broker", "consumer lag"), broker),
            Look(("index",), index),
            Look(("last event",), last),
            Look(("dead letters",), never, timeout_ms=50),
        ),
    )
    yield board
    await board.close()


def with_health(monkeypatch, board):
    made = conftest.dashboard
    monkeypatch.setattr(conftest, "dashboard", lambda *pages: made(*pages, health=board.current))


async def test_every_page_has_it_at_once(monkeypatch, board):
    with_health(monkeypatch, board)
    async with running_site() as site:
        first = await site.get("/instances")
        assert 'aria-label="Health: unknown"' in first
        await board.fresh()
        page = await site.get("/instances")
    strip = page.partition('<section class="health"')[2].partition("</section>")[0]
    shown = text_of(strip)
    assert "good: broker reachable" in shown
    assert "warn: consumer lag 1,204" in shown
    assert "bad: index unreachable" in shown
    assert "bad: dead letters unreachable" in shown
    assert "2026-11-18" in shown
    assert "<script>" not in strip
    assert "<b>connection" not in strip


async def test_whoever_may_not_read_sees_nothing_of_it(monkeypatch, board):
    with_health(monkeypatch, board)
    await board.fresh()
    async with running_site(guard=Guard("operator-token-0123456789")) as site:
        assert "consumer lag" not in await site.get("/login")


async def test_programs_get_the_same(board):
    pages = (lambda site: HealthApi(board, site.guard).routes(),)
    async with running_site(pages=pages) as site, site.session.get("/api/v1/health") as answer:
        found = await answer.json()
    assert found["state"] == "bad"
    states = {part["name"]: part["state"] for part in found["parts"]}
    assert states == {
        "broker": "good",
        "consumer lag": "warn",
        "index": "bad",
        "last event": "good",
        "dead letters": "bad",
    }
