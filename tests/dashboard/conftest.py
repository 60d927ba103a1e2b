"""The dashboard on a real read model, beside the API, in front of a journal in memory."""

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import aiohttp
import pytest
from aiohttp import web

from stepwell.schemas import codec
from stepwell.schemas.commands import PauseRequested
from stepwell.schemas.journal import (
    AttemptFailed,
    InstanceCompleted,
    InstanceCreated,
    InstanceErrored,
    InstanceIdled,
    InstancePaused,
    InstanceQueued,
    InstanceTerminated,
    SleepStarted,
    StepSucceeded,
    WaitStarted,
)
from stepwell.schemas.parts import ErrorInfo, Origin
from stepwell.streams.dashboard.app import dashboard
from stepwell.streams.dashboard.instance import InstancePages, Ports
from stepwell.streams.dashboard.instances import InstancesPage
from stepwell.streams.gateway.control import Control
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.listing import Listing
from stepwell.streams.gateway.operations import problems
from stepwell.streams.gateway.server import make_runner
from stepwell.streams.kafka.publisher import Position
from stepwell.streams.operator.explaining import why
from stepwell.streams.readmodel.follower import Follower, following
from stepwell.streams.readmodel.judging import ProjectedJournal
from stepwell.streams.readmodel.reader import ModelReader
from stepwell.streams.views import Explanation, Ownership
from tests.readmodel.feeds import MemoryTopic

NOW_MS = 1_795_000_000_000
BOOM = ErrorInfo("Boom", "it broke")
STATUSES = (
    "queued",
    "running",
    "waiting",
    "waitingForPause",
    "paused",
    "errored",
    "terminated",
    "complete",
)


class TopicJournal:
    """Commands go into partition 0 of a topic in memory."""

    def __init__(self, topic):
        self._topic = topic

    async def append(self, record):
        self._topic.check()
        return Position(0, self._topic.put(0, record.key.decode(), codec.decode(record.value)))


@dataclass
class Site:
    """A running dashboard and a browser without JavaScript for it."""

    topic: MemoryTopic
    follower: Follower
    session: aiohttp.ClientSession
    url: str

    async def put(self, key, record):
        offset = self.topic.put(0, key, record)
        await self.follower.passed(0, offset)
        return offset

    async def get(self, path, *, status=200, **options):
        """The text of a page."""
        options.setdefault("headers", {"Accept": "text/html"})
        async with self.session.get(path, **options) as answer:
            text = await answer.text()
            assert answer.status == status, (answer.status, text[:2000])
            return text

    async def post(self, path, fields=None, *, headers=None, **options):
        """(status, Location, text); sent as a browser sends a form."""
        sent = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"} if headers is None else headers
        async with self.session.post(
            path, data=fields or {}, headers=sent, allow_redirects=False, **options
        ) as answer:
            return answer.status, answer.headers.get("Location"), await answer.text()

    async def tell_all_statuses(self):
        """One instance of workflow `order` in every status, named after it."""
        for number, status in enumerate(STATUSES):
            await self.tell_status(status, at_ms=NOW_MS - 60_000 + number)

    async def tell_status(self, status, at_ms=NOW_MS - 60_000):
        key = f"order/{status}"
        run = await self.put(key, InstanceCreated({"n": 1}, at_ms))
        match status:
            case "queued":
                await self.put(key, InstanceQueued(run, 0, at_ms + 5, "running_max"))
            case "running":
                error = ErrorInfo("Timeout", "no answer")
                failed = AttemptFailed(run, "call", 1, 1, 0, at_ms, at_ms + 40, error, NOW_MS + 900)
                await self.put(key, failed)
            case "waiting":
                done = StepSucceeded(run, "fetch", 1, 1, 0, at_ms, at_ms + 10, {"ok": True}, call=1)
                before = await self.put(key, done)
                await self.put(key, SleepStarted(run, "nap", 1, 0, at_ms, NOW_MS + 90_000, 2))
                wait = WaitStarted(
                    run, "ok", 1, 0, at_ms, "approved", {"id": 7}, NOW_MS + 900_000, 3
                )
                await self.put(key, wait)
                await self.put(key, InstanceIdled(run, 0, at_ms, before))
            case "waitingForPause":
                await self.put(key, PauseRequested(at_ms + 1, "lunch"))
            case "paused":
                await self.put(key, PauseRequested(at_ms + 1, "lunch"))
                await self.put(key, InstancePaused(run, 0, at_ms + 2, "requested", "as requested"))
            case "errored":
                await self.put(key, InstanceErrored(run, 0, at_ms + 30, BOOM))
            case "terminated":
                await self.put(key, InstanceTerminated(run, 0, at_ms + 30, "no longer wanted"))
            case "complete":
                await self.put(key, InstanceCompleted(run, 0, at_ms + 30, {"total": 42}))
        return run


def origin(subject="github:acme/site#1", **more):
    return Origin("e-1", "issue", "github", subject, "stepwell.events", 3, 14, **more)


async def explain(details):
    ownership = Ownership("journal", 0, "worker-1@host", 0)
    summary = details.summary
    key = f"{summary.workflow}/{summary.instance_id}"
    return Explanation(key, summary.status, ownership, tuple(why(details, ownership)))


@asynccontextmanager
async def running_site(
    *, guard=None, pages=(), explaining=explain, explain_timeout_ms=5_000, up=True
):
    topic, ids = MemoryTopic(), count(1)
    topic.up = up
    async with following(topic.open, None, retry_ms=1) as follower:
        reader = ModelReader(follower, start_timeout_ms=5_000 if up else 1)
        control = Control(
            TopicJournal(topic),
            ProjectedJournal(follower),
            clock=lambda: NOW_MS,
            new_id=lambda: f"id-{next(ids)}",
        )
        guard = guard or Guard(None)
        app = web.Application(middlewares=[problems])
        listing = Listing(reader, guard)
        app.on_shutdown.append(listing.stop)
        app.add_routes(listing.routes())
        ports = Ports(reader, control, explaining, lambda: NOW_MS)
        add = dashboard(
            lambda site: InstancesPage(site, reader, clock=lambda: NOW_MS).routes(),
            lambda site: InstancePages(site, ports, explain_timeout_ms=explain_timeout_ms).routes(),
            *pages,
        )
        app.add_routes(add(app, guard))
        runner = make_runner(app, shutdown_timeout_s=5)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            async with aiohttp.ClientSession(
                url, cookie_jar=aiohttp.CookieJar(unsafe=True)
            ) as session:
                yield Site(topic, follower, session, url)
        finally:
            await runner.cleanup()


@pytest.fixture
async def site():
    async with running_site() as site:
        yield site


def text_of(page):
    """What is between the tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
