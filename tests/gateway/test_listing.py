"""Lists and the stream of changes over HTTP: filters, pages, refusals, going on after a cut."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from stepwell.schemas.journal import InstanceCompleted, InstanceCreated, InstanceErrored
from stepwell.schemas.parts import ErrorInfo, Origin
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.listing import Listing
from stepwell.streams.gateway.operations import problems
from stepwell.streams.gateway.server import make_runner
from stepwell.streams.readmodel.follower import Follower, following
from stepwell.streams.readmodel.reader import ModelReader
from tests.readmodel.feeds import MemoryTopic

LIST = "/api/v1/instances"
ORDERS = "/api/v1/workflows/order/instances"


@dataclass
class Site:
    """A gateway that only reads, its journal, and a client."""

    topic: MemoryTopic
    follower: Follower
    session: aiohttp.ClientSession
    runner: web.AppRunner

    async def get(self, path, **params):
        """(status, body)."""
        async with self.session.get(path, params=params) as answer:
            return answer.status, await answer.json(content_type=None)

    async def ids(self, path=LIST, **params):
        status, page = await self.get(path, **params)
        assert status == 200, page
        return [it["instance_id"] for it in page["instances"]]

    async def put(self, partition, key, record):
        offset = self.topic.put(partition, key, record)
        await self.follower.passed(partition, offset)
        return offset

    @asynccontextmanager
    async def stream(self, headers=None, **params):
        """The events of the stream as (event, id, data), one after the other."""
        async with self.session.get("/api/v1/stream", headers=headers, params=params) as answer:
            assert answer.content_type == "text/event-stream"
            yield events(answer.content)


async def events(content):
    found = {}
    async for raw in content:
        name, _, value = raw.decode().rstrip("\n").partition(": ")
        if name:
            found[name] = value
        elif "data" in found:
            yield found["event"], found.get("id"), json.loads(found["data"])
            found = {}


@asynccontextmanager
async def running_site(*, up=True, token=None, heartbeat_ms=15_000):
    topic = MemoryTopic()
    topic.up = up
    async with following(topic.open, None, retry_ms=1) as follower:
        reader = ModelReader(follower, start_timeout_ms=5_000 if up else 1)
        listing = Listing(reader, Guard(token), heartbeat_ms=heartbeat_ms)
        app = web.Application(middlewares=[problems])
        app.add_routes(listing.routes())
        app.on_shutdown.append(listing.stop)
        runner = make_runner(app, shutdown_timeout_s=5)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            async with aiohttp.ClientSession(url) as session:
                yield Site(topic, follower, session, runner)
        finally:
            await runner.cleanup()


@pytest.fixture
async def site():
    async with running_site() as site:
        yield site


@pytest.fixture
async def four(site):
    """Three orders, of which one is errored, and an audit."""
    origin = Origin("e", "issue", "github", "github:acme/site#1", "events", 0, 0)
    await site.put(0, "order/a-1", InstanceCreated(None, 1_000, origin))
    await site.put(0, "order/a-2", InstanceCreated(None, 2_000))
    await site.put(0, "order/b-1", InstanceCreated(None, 3_000))
    await site.put(1, "audit/a-1", InstanceCreated(None, 4_000))
    await site.put(0, "order/a-2", InstanceErrored(1, 0, 5_000, ErrorInfo("Boom", "it broke")))
    return site


class TestLists:
    async def test_instances_come_newest_first(self, four):
        status, page = await four.get(LIST)
        assert (status, page["cursor"]) == (200, None)
        newest = page["instances"][0]
        assert (newest["workflow"], newest["instance_id"]) == ("audit", "a-1")
        assert await four.ids(ORDERS) == ["b-1", "a-2", "a-1"]

    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ({"workflow": "audit"}, ["a-1"]),
            ({"status": "errored"}, ["a-2"]),
            ({"status": ["errored", "running"], "workflow": "order"}, ["b-1", "a-2", "a-1"]),
            ({"created_before": "1970-01-01T00:00:02.001Z"}, ["a-2", "a-1"]),
            ({"id_prefix": "a-", "workflow": "order"}, ["a-2", "a-1"]),
            ({"subject": "github:acme/site#1"}, ["a-1"]),
            ({"text": "BROKE"}, ["a-2"]),
            ({"created_from": "2000", "created_before": "4000"}, ["b-1", "a-2"]),
            ({"created_from": "1970-01-01T00:00:03Z"}, ["a-1", "b-1"]),
            ({"created_before": "1970-01-01T01:00:02+01:00"}, ["a-1"]),
            ({"text": "'; DROP TABLE instances --"}, []),
        ],
    )
    async def test_filters(self, four, params, expected):
        assert await four.ids(**params) == expected

    async def test_pages_fit_together(self, four):
        _, first = await four.get(ORDERS, limit=2)
        _, second = await four.get(ORDERS, limit=2, cursor=first["cursor"])
        found = [it["instance_id"] for page in (first, second) for it in page["instances"]]
        assert (found, second["cursor"]) == (["b-1", "a-2", "a-1"], None)

    async def test_workflows_are_counted(self, four):
        _, found = await four.get("/api/v1/workflows")
        assert found["workflows"] == [
            {"name": "audit", "counts": {"running": 1}},
            {"name": "order", "counts": {"errored": 1, "running": 2}},
        ]

    @pytest.mark.parametrize(
        ("query", "detail"),
        [
            ("color=red", "color: there is no such parameter"),
            ("status=happy", "status: one of queued,"),
            ("status=", "status: one of queued,"),
            ("limit=0", "limit: 1 to 500"),
            ("limit=501", "limit: 1 to 500"),
            ("limit=-1", "limit: a whole number"),
            ("limit=ten", "limit: a whole number"),
            ("limit=" + "9" * 40, "limit: a whole number"),
            ("limit=1&limit=2", "limit: is there twice"),
            ("cursor=x", "the cursor is not one"),
            ("cursor=1.99999999999999999999999", "the cursor is not one"),
            ("created_from=yesterday", "created_from: milliseconds, or a time"),
            ("created_from=2026-11-21T22:00:00", "created_from: milliseconds, or a time"),
            ("created_from=²", "created_from: "),
            ("text=" + "x" * 1001, "text: at most 1000"),
        ],
    )
    async def test_what_is_asked_wrongly_is_refused_by_its_name(self, site, query, detail):
        async with site.session.get(f"{LIST}?{query}") as answer:
            body = await answer.json(content_type=None)
        assert (answer.status, body["code"]) == (422, "instance.invalid_request")
        assert detail in body["detail"]

    async def test_the_workflow_of_the_path_is_not_asked_for_twice(self, site):
        status, _ = await site.get(ORDERS, workflow="audit")
        assert status == 422

    @pytest.mark.parametrize("text", ["\0", "%00", "\ud800", "💥", "%", "_"])
    async def test_any_text_may_be_looked_for(self, four, text):
        escaped = text.encode(errors="surrogatepass")
        query = "".join(f"%{byte:02x}" for byte in escaped)
        async with four.session.get(f"{LIST}?text={query}") as answer:
            assert answer.status == 200

    async def test_before_the_journal_was_read_there_is_no_answer(self):
        async with running_site(up=False) as site:
            status, body = await site.get(LIST)
        assert (status, body["code"]) == (503, "request.unavailable")

    async def test_while_kafka_is_away_what_is_known_is_told(self, four):
        four.topic.up = False
        assert len(await four.ids()) == 4

    async def test_a_token_is_needed_where_there_is_one(self):
        async with running_site(token="a long random token") as site:
            for path in (LIST, ORDERS, "/api/v1/workflows", "/api/v1/stream"):
                async with site.session.get(path) as answer:
                    assert answer.status == 401


class TestStream:
    async def test_changes_are_told_as_they_come(self, site):
        async with site.stream() as events:
            coming = asyncio.create_task(anext(events))
            while not coming.done():  # the stream begins when the gateway has got the request
                await site.put(0, "order/a-1", InstanceCreated(None, 1_000))
            event, _, change = await coming
            assert (event, change["workflow"], change["status"]) == ("instance", "order", "running")

    async def test_nothing_is_missed_between_a_list_and_the_stream(self, four):
        _, page = await four.get(LIST)
        await four.put(0, "order/b-1", InstanceCompleted(2, 0, 6_000, None))
        async with four.stream(since=page["place"]) as events:
            _, place, change = await anext(events)
        assert (change["instance_id"], change["status"]) == ("b-1", "complete")
        assert place is not None

    async def test_who_was_cut_off_goes_on_after_the_last_event(self, four):
        _, page = await four.get(LIST)
        await four.put(0, "order/new-1", InstanceCreated(None, 6_000))
        await four.put(0, "order/new-2", InstanceCreated(None, 7_000))
        async with four.stream(since=page["place"]) as events:
            _, place, _ = await anext(events)
        async with four.stream({"Last-Event-ID": place}) as events:
            _, _, change = await anext(events)
        assert change["instance_id"] == "new-2"

    async def test_a_place_that_is_none_makes_everybody_read_anew(self, four):
        async with four.stream({"Last-Event-ID": "long ago"}) as events:
            event, place, _ = await anext(events)
        assert event == "reset"
        assert place is not None

    async def test_a_stream_in_which_nothing_happens_is_kept_open(self):
        async with (
            running_site(heartbeat_ms=1) as site,
            site.session.get("/api/v1/stream") as answer,
        ):
            lines = [await answer.content.readline() for _ in range(3)]
        assert lines == [b": hello\n", b"\n", b": still here\n"]

    async def test_a_stream_does_not_hold_up_the_end_of_the_server(self, site):
        async with asyncio.timeout(4), site.session.get("/api/v1/stream") as answer:
            await answer.content.readline()
            await site.runner.cleanup()
            assert await answer.content.read() == b"\n"
