"""Parts of an instance over HTTP: steps, attempts, events, and the history that can be replayed."""

from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import orjson
import pytest
from aiohttp import web
from yarl import URL

from stepwell.schemas.commands import EventReceived
from stepwell.schemas.journal import AttemptFailed, InstanceCreated, StepSucceeded
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.engine.check import Recording
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.histories import Histories
from stepwell.streams.gateway.operations import problems
from stepwell.streams.gateway.server import make_runner
from stepwell.streams.readmodel.follower import following
from stepwell.streams.readmodel.reader import ModelReader
from stepwell.streams.views import Cause, Explanation, Ownership
from tests.readmodel.feeds import MemoryTopic

ONE = "/api/v1/workflows/order/instances/one"


@dataclass
class Site:
    """A gateway that tells of an order, and a client."""

    topic: MemoryTopic
    session: aiohttp.ClientSession

    async def get(self, path, **params):
        """(status, body)."""
        async with self.session.get(path, params=params or None) as answer:
            return answer.status, await answer.json(content_type=None)


async def explain(details):
    key = f"{details.summary.workflow}/{details.summary.instance_id}"
    owner = Ownership("stepwell.journal", 0, None, 7)
    cause = Cause("no_worker", "nobody carries its partition", "start a worker")
    return Explanation(key, details.summary.status, owner, (cause,))


@asynccontextmanager
async def running_site():
    topic = MemoryTopic(1)
    topic.put(0, "order/one", InstanceCreated({"n": 1}, 1_000))
    error = ErrorInfo("Boom", "it broke")
    topic.put(0, "order/one", AttemptFailed(0, "pay/all", 1, 1, 0, 1_100, 1_200, error, 1_300))
    topic.put(0, "order/one", StepSucceeded(0, "pay/all", 1, 2, 0, 1_300, 1_400, {"paid": True}))
    topic.put(0, "order/one", EventReceived("sent", {"by": "mail"}, 1_500, "e-1"))
    topic.put(0, "order/two", InstanceCreated(None, 2_000))
    secret = StepSucceeded(4, "log in", 1, 1, 0, 1_300, 1_400, "hush", sensitive=True)
    topic.put(0, "order/two", secret)
    async with following(topic.open, None, retry_ms=1) as follower:
        app = web.Application(middlewares=[problems])
        app.add_routes(Histories(ModelReader(follower), Guard(None), explain).routes())
        runner = make_runner(app, shutdown_timeout_s=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            async with aiohttp.ClientSession(url) as session:
                yield Site(topic, session)
        finally:
            await runner.cleanup()


@pytest.fixture
async def site():
    async with running_site() as site:
        yield site


async def test_steps_are_listed_and_found_by_their_names(site):
    status, listed = await site.get(f"{ONE}/steps")
    assert (status, [it["name"] for it in listed["steps"]]) == (200, ["pay/all"])
    _, found = await site.get(URL(f"{ONE}/steps/pay%2Fall", encoded=True))
    assert (found["status"], found["attempts"], found["output"]) == ("complete", 2, {"paid": True})
    latest = "/api/v1/workflows/order/instances/latest/steps/log in"
    assert (await site.get(latest))[1]["output"] == "[redacted]"


async def test_attempts_of_a_step_are_told_one_by_one(site):
    status, found = await site.get(URL(f"{ONE}/steps/pay%2Fall/attempts", encoded=True))
    assert status == 200
    outcomes = [(it["number"], it["outcome"]) for it in found["attempts"]]
    assert outcomes == [(1, "failed"), (2, "succeeded")]


async def test_events_are_told_with_what_was_in_them(site):
    status, found = await site.get(f"{ONE}/events")
    (event,) = found["events"]
    assert (status, event["type"], event["payload"]) == (200, "sent", {"by": "mail"})


async def test_why_it_does_not_advance_is_told(site):
    status, found = await site.get(f"{ONE}/explanation")
    assert (status, found["instance"], found["ownership"]["behind"]) == (200, "order/one", 7)
    assert found["causes"][0]["advice"] == "start a worker"


async def test_a_history_is_what_a_check_replays(site):
    status, found = await site.get(f"{ONE}/history")
    assert status == 200
    recording = Recording.decode(orjson.dumps(found))
    assert (str(recording.key), len(recording.records)) == ("order/one", 3)


async def test_a_history_with_sensitive_results_stays(site):
    status, problem = await site.get("/api/v1/workflows/order/instances/two/history")
    assert (status, problem["code"]) == (409, "instance.sensitive")
    assert "--with-sensitive" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{ONE[:-3]}none/steps", (404, "instance.not_found")),
        (f"{ONE[:-3]}none/events", (404, "instance.not_found")),
        (f"{ONE[:-3]}none/history", (404, "instance.not_found")),
        (f"{ONE[:-3]}none/explanation", (404, "instance.not_found")),
        (f"{ONE[:-3]}!/steps", (422, "instance.invalid_id")),
        (f"{ONE}/steps/ship", (404, "instance.step_not_found")),
        (f"{ONE}/steps/pay?occurrence=0", (404, "instance.step_not_found")),
        (f"{ONE}/steps/pay?occurrence=x", (422, "instance.invalid_request")),
        (f"{ONE}/steps/pay?kind=dance", (422, "instance.invalid_request")),
        (f"{ONE}/steps?limit=1", (422, "instance.invalid_request")),
    ],
)
async def test_what_is_not_there_or_cannot_be_asked_is_refused(site, path, expected):
    status, problem = await site.get(path)
    assert (status, problem["code"]) == expected
