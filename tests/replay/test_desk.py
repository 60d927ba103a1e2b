"""Replays as tasks of a gateway: planned, begun, watched, cancelled, gone on with; over HTTP."""

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.operations import problems
from stepwell.streams.gateway.replays import REPLAYS, ReplayApi, ReplayAsk
from stepwell.streams.gateway.server import make_runner
from stepwell.streams.operator import replay_shelf
from stepwell.streams.operator.replay_desk import RUNNING_MAX, ReplayDesk
from stepwell.streams.operator.replay_shelf import STALE_MS, ReplayShelf
from stepwell.streams.replay.asking import Mode, Origin, Start
from stepwell.streams.replay.errors import InvalidReplay, PlaceNotFound, ReplayRefused
from stepwell.streams.replay.findings import Finding, Verdict
from stepwell.streams.replay.plan import Plan, PlannedRange, Progress, Result, Ticket
from stepwell.streams.replay.ranges import Range
from stepwell.streams.settings import Settings, WorkerSettings
from tests.replay.conftest import Log
from tests.replay.test_replaying import carried_out, note

TOPICS = {"stepwell.events", "stepwell.journal"}
EARLIEST = ReplayAsk(start="earliest")


class Work:
    """What plans and executes in the place of the real thing, as a test wants it."""

    def __init__(self):
        self.planned, self.requests, self.paces = 0, [], []
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.error = None
        self.findings = ()

    async def plan(self, _, request):
        self.requests.append(request)
        self.planned += 1
        ranges = (Range("stepwell.events", 0, 0, 5),)
        ticket = Ticket(f"r-{self.planned}", request.mode, ranges, at_ms=self.planned)
        planned = PlannedRange("stepwell.events", 0, 0, 4, 5, 3, 1_000, 2_000)
        return Plan(ticket, (planned,), records=5, instances=3, vectors=1)

    async def execute(self, _, ticket, pace, *, wait, report):
        self.paces.append((pace, wait))
        report(Progress(ticket.id, 1, 3, ended=1, failed=0))
        self.begun.set()
        while not self.gate.is_set():  # noqa: ASYNC110 - it is of another thread
            await asyncio.sleep(0)
        if self.error:
            raise self.error
        return Result(ticket.id, ticket.mode, done=3, findings=self.findings)


@pytest.fixture
def settings(tmp_path):
    return Settings(worker=WorkerSettings(data_dir=tmp_path))


@pytest.fixture
def work():
    return Work()


@pytest.fixture
async def desk(settings, work):
    desk = ReplayDesk(settings, plan=work.plan, execute=work.execute, clock=lambda: 7)
    yield desk
    work.gate.set()
    await desk.stop()


async def over(desk, replay_id):
    async with asyncio.timeout(10):
        while (found := await desk.find(replay_id)).status == "running":  # noqa: ASYNC110 - a state
            await asyncio.sleep(0)
    return found


class TestPlans:
    async def test_what_was_planned_is_kept_under_its_id(self, desk, work):
        plan = await desk.plan(replace(EARLIEST, mode="verify", filters=("type=note.*",)))
        assert (plan.id, plan.mode, plan.instances) == ("r-1", "verify", 3)
        assert work.requests[0].start == Start(Origin.EARLIEST)
        assert (work.requests[0].mode, work.requests[0].filters.type) == (Mode.VERIFY, "note.*")
        found = await desk.find("r-1")
        assert (found.status, found.total, found.plan) == ("planned", 3, plan)

    @pytest.mark.parametrize(
        "text",
        ["", "offset:x", "offset:-1", "time:yesterday", "shift:", "tomorrow", "duration:soon"],
    )
    async def test_where_it_begins_must_be_said_in_one_of_our_words(self, desk, text):
        with pytest.raises(InvalidReplay):
            await desk.plan(ReplayAsk(start=text))

    async def test_only_so_many_plans_are_kept(self, desk, monkeypatch):
        monkeypatch.setattr(replay_shelf, "PLANNED_MAX", 2)
        for _ in range(3):
            await desk.plan(EARLIEST)
        with pytest.raises(PlaceNotFound):
            await desk.find("r-1")
        assert [it.id for it in await desk.list()] == ["r-3", "r-2"]


class TestRuns:
    async def test_it_runs_beside_and_tells_how_far_it_is(self, desk, work):
        await desk.plan(EARLIEST)
        begun = await desk.execute("r-1", rate=2.0, concurrency=5, wait=True)
        assert (begun.status, begun.started_ms) == ("running", 7)
        await asyncio.to_thread(work.begun.wait, 10)
        found = await desk.find("r-1")
        assert (found.done, found.total, found.ended) == (1, 3, 1)
        (pace, wait) = work.paces[0]
        assert (pace.per_second, pace.in_flight_max, wait) == (2.0, 5, True)
        work.gate.set()
        ended = await over(desk, "r-1")
        assert (ended.status, ended.done, ended.finished_ms) == ("complete", 3, 7)

    async def test_differences_are_kept_with_it(self, desk, work, settings):
        work.findings = (Finding("note", "n1", "embed", 1, Verdict.CHANGED, "1", "2"),)
        work.gate.set()
        await desk.plan(replace(EARLIEST, mode="verify"))
        await desk.execute("r-1")
        await over(desk, "r-1")
        kept = await ReplayDesk(settings).find("r-1")
        assert kept.findings_total == 1
        assert (kept.findings[0].step, kept.findings[0].verdict) == ("embed", "changed")
        (listed,) = await desk.list()
        assert (listed.findings, listed.plan, listed.findings_total) == ((), None, 1)

    async def test_what_went_wrong_is_told(self, desk, work):
        work.gate.set()
        for error, text in (
            (BrokerUnavailable("Kafka is away"), "Kafka is away"),
            (ValueError("no such model"), "ValueError: no such model"),
        ):
            work.error = error
            plan = await desk.plan(EARLIEST)
            await desk.execute(plan.id)
            found = await over(desk, plan.id)
            assert (found.status, found.error) == ("errored", text)

    async def test_begun_twice_it_runs_once(self, desk, work):
        await desk.plan(EARLIEST)
        await asyncio.gather(desk.execute("r-1"), desk.execute("r-1"))
        work.gate.set()
        await over(desk, "r-1")
        assert (await desk.execute("r-1")).status == "complete"
        assert len(work.paces) == 1

    async def test_only_a_few_run_at_once(self, desk):
        for _ in range(RUNNING_MAX + 1):
            await desk.plan(EARLIEST)
        for number in range(RUNNING_MAX):
            await desk.execute(f"r-{number + 1}")
        with pytest.raises(ReplayRefused):
            await desk.execute(f"r-{RUNNING_MAX + 1}")

    async def test_a_cancelled_one_may_be_gone_on_with(self, desk, work):
        await desk.plan(EARLIEST)
        await desk.execute("r-1")
        await asyncio.to_thread(work.begun.wait, 10)
        for _ in range(2):
            assert (await desk.cancel("r-1")).status == "cancelled"
        work.gate.set()
        await desk.execute("r-1")
        assert (await over(desk, "r-1")).status == "complete"
        assert (await desk.cancel("r-1")).status == "complete"

    async def test_a_gateway_that_stops_leaves_it_interrupted(self, desk, work, settings):
        await desk.plan(EARLIEST)
        await desk.execute("r-1")
        await desk.stop()
        next_one = ReplayDesk(settings, plan=work.plan, execute=work.execute)
        assert (await next_one.find("r-1")).status == "interrupted"
        work.gate.set()
        await next_one.execute("r-1")
        assert (await over(next_one, "r-1")).status == "complete"


class TestShelf:
    async def test_what_says_nothing_any_more_was_interrupted(self, tmp_path, desk, work, settings):
        plan = await desk.plan(EARLIEST)
        now_ms = [0]
        shelf = ReplayShelf(settings.worker.data_dir / "replays", lambda: now_ms[0], TOPICS)
        shelf.save(replace(shelf.find(plan.id), status="running"))
        now_ms[0] = STALE_MS
        assert shelf.find(plan.id).status == "running"
        with pytest.raises(ReplayRefused):
            await desk.cancel(plan.id)  # it runs at another gateway
        now_ms[0] += 1
        assert shelf.find(plan.id).status == "interrupted"

    async def test_those_of_the_command_line_are_listed_too(self, desk, work, settings):
        shelf = ReplayShelf(settings.worker.data_dir / "replays", lambda: 0, TOPICS)
        shelf._tickets.keep(Ticket("r-cli", Mode.RERUN, (), 5))
        assert [(it.id, it.status) for it in await desk.list()] == [("r-cli", "begun")]

    async def test_those_of_other_deployments_are_not_ours(self, desk, settings):
        shelf = ReplayShelf(settings.worker.data_dir / "replays", lambda: 0, TOPICS)
        foreign = Ticket("r-other", Mode.RERUN, (Range("other.events", 0, 0, 5),), 5)
        shelf._tickets.keep(foreign)
        assert await desk.list() == []
        with pytest.raises(PlaceNotFound):
            await desk.execute("r-other")


@asynccontextmanager
async def running_api(desk):
    app = web.Application(middlewares=[problems])
    app.add_routes(ReplayApi(desk, Guard(None)).routes())
    runner = make_runner(app, shutdown_timeout_s=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession(url) as session:
            yield session
    finally:
        await runner.cleanup()


@pytest.fixture
async def api(desk):
    async with running_api(desk) as session:
        yield session


async def ask(session, method, path, body=None):
    async with session.request(method, path, json=body) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers


class TestHttp:
    async def test_a_replay_is_a_dry_run_unless_it_is_told_to_execute(self, api, work):
        status, plan, _ = await ask(api, "POST", REPLAYS, {"start": "offset:3"})
        assert (status, plan["id"], plan["ranges"][0]["records"]) == (200, "r-1", 5)
        assert work.paces == []

    async def test_it_is_begun_and_found_where_the_answer_says(self, api, desk, work):
        work.gate.set()
        body = {"start": "earliest", "execute": True, "rate": 5, "wait": True}
        status, begun, headers = await ask(api, "POST", REPLAYS, body)
        assert (status, begun["status"]) == (202, "running")
        await over(desk, "r-1")
        status, found, _ = await ask(api, "GET", headers["Location"])
        assert (status, found["status"], found["plan"]["instances"]) == (200, "complete", 3)
        status, listed, _ = await ask(api, "GET", REPLAYS)
        assert [it["id"] for it in listed["replays"]] == ["r-1"]

    async def test_a_plan_is_executed_and_cancelled_by_its_id(self, api):
        await ask(api, "POST", REPLAYS, {"start": "earliest"})
        status, begun, _ = await ask(api, "POST", f"{REPLAYS}/r-1/execute", {"concurrency": 0})
        assert (status, begun["status"]) == (202, "running")
        status, ended, _ = await ask(api, "POST", f"{REPLAYS}/r-1/cancel", {})
        assert (status, ended["status"]) == (200, "cancelled")

    @pytest.mark.parametrize(
        ("path", "body", "expected"),
        [
            (REPLAYS, {"start": "nowhere"}, (422, "replay.invalid")),
            (REPLAYS, {"start": "earliest", "filters": ["colour=x"]}, (422, "replay.invalid")),
            (REPLAYS, {}, (422, "instance.invalid_request")),
            (REPLAYS, {"start": "earliest", "rate": 0}, (422, "instance.invalid_request")),
            (f"{REPLAYS}/r-9/execute", {}, (404, "replay.not_found")),
            (f"{REPLAYS}/r-9/cancel", {}, (404, "replay.not_found")),
        ],
    )
    async def test_refusals_have_a_code(self, api, path, body, expected):
        status, problem, _ = await ask(api, "POST", path, body)
        assert (status, problem["code"]) == expected


@pytest.mark.slow
async def test_on_a_real_log_it_starts_instances_once_and_finds_no_difference(log: Log):
    await carried_out(log, note(0), note(1))
    before = len(await log.journal())
    desk = ReplayDesk(log.settings)
    plan = await desk.plan(EARLIEST)
    assert (plan.instances, len(await log.journal())) == (2, before)
    for _ in range(2):
        await desk.execute(plan.id)
        ended = await over(desk, plan.id)
        assert (ended.status, ended.done + ended.already_done) == ("complete", 2)
    assert len(await log.journal()) == before + 2
    journal = log.topics.journal
    plan = await desk.plan(replace(EARLIEST, mode="verify", topics=(journal,)))
    await desk.execute(plan.id)
    ended = await over(desk, plan.id)
    assert (ended.status, ended.findings_total) == ("complete", 0)
    assert ended.counts["note: embed"] == {"same": 2}
    await desk.stop()


@pytest.mark.slow
async def test_on_a_real_log_a_cancelled_one_goes_on_and_does_nothing_twice(log: Log):
    await carried_out(log, *(note(number) for number in range(6)))
    before = len(await log.journal())
    desk = ReplayDesk(log.settings)
    plan = await desk.plan(EARLIEST)
    await desk.execute(plan.id, rate=5)
    async with asyncio.timeout(30):
        while (found := await desk.find(plan.id)).done < 2:  # noqa: ASYNC110 - a state
            await asyncio.sleep(0)
    assert found.status == "running"
    assert (await desk.cancel(plan.id)).status == "cancelled"
    begun = len(await log.journal()) - before
    assert 2 <= begun < 6
    await desk.execute(plan.id)
    ended = await over(desk, plan.id)
    assert (ended.status, ended.done, ended.already_done) == ("complete", 6 - begun, begun)
    assert len(await log.journal()) == before + 6
    await desk.stop()
