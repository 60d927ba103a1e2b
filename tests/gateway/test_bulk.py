"""One thing asked of many: looked at first, told once to each, and the same when asked again."""

from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import aiohttp
import pytest
from aiohttp import web

from stepwell.schemas import codec
from stepwell.schemas.commands import DeleteRequested, PauseRequested, TerminateRequested
from stepwell.schemas.journal import InstanceCompleted, InstanceCreated
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.gateway import bulk
from stepwell.streams.gateway.bulk_api import BULK, BulkApi
from stepwell.streams.gateway.control import Control
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.operations import problems
from stepwell.streams.gateway.server import make_runner
from stepwell.streams.kafka.publisher import Position
from stepwell.streams.readmodel.follower import following
from stepwell.streams.readmodel.judging import ProjectedJournal
from stepwell.streams.readmodel.reader import ModelReader
from tests.readmodel.feeds import MemoryTopic


@dataclass
class Desk:
    """A gateway with ten running orders and two that are complete, and a client."""

    topic: MemoryTopic
    session: aiohttp.ClientSession
    fails_after: int | None = None

    async def append(self, record):
        if self.fails_after is not None:
            if self.fails_after == 0:
                raise BrokerUnavailable("the journal is down")
            self.fails_after -= 1
        offset = self.topic.put(0, record.key.decode(), codec.decode(record.value))
        return Position(0, offset)

    async def ask(self, **body):
        """(status, answer)."""
        async with self.session.post(BULK, json=body) as answer:
            return answer.status, await answer.json(content_type=None)

    async def done(self, **body):
        status, answer = await self.ask(dry_run=False, **body)
        assert status == 200, answer
        return answer

    def told(self, kind):
        """The commands of a kind that are in the journal."""
        records = [codec.decode(row[3]) for row in self.topic.rows[0]]
        return [it for it in records if isinstance(it, kind)]


@asynccontextmanager
async def running_desk():
    topic, clock = MemoryTopic(1), count(10_000)
    for number in range(12):
        topic.put(0, f"order/o-{number:02}", InstanceCreated(None, 1_000 + number))
    for number, offset in ((10, 10), (11, 11)):
        topic.put(0, f"order/o-{number:02}", InstanceCompleted(offset, 0, 2_000, None))
    async with following(topic.open, None, retry_ms=1) as follower:
        reader = ModelReader(follower)
        desk = Desk(topic, None)
        control = Control(
            desk, ProjectedJournal(follower), clock=lambda: next(clock), new_id=lambda: "x"
        )
        api = BulkApi(control, reader, Guard(None), new_id=lambda: "made-up")
        app = web.Application(middlewares=[problems])
        app.add_routes(api.routes())
        runner = make_runner(app, shutdown_timeout_s=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            async with aiohttp.ClientSession(url) as desk.session:
                yield desk
        finally:
            await runner.cleanup()


@pytest.fixture
async def desk():
    async with running_desk() as desk:
        yield desk


RUNNING = {"status": ["running"]}


class TestDryRuns:
    async def test_it_says_how_many_and_which_and_changes_nothing(self, desk):
        before = len(desk.topic.rows[0])
        status, plan = await desk.ask(action="pause", filters={"workflow": "order"})
        assert status == 200
        assert (plan["action"], plan["matched"], plan["applicable"]) == ("pause", 12, 10)
        assert plan["counts"] == {"complete": 2, "running": 10}
        assert [it["instance_id"] for it in plan["sample"]][:2] == ["o-11", "o-10"]
        assert len(desk.topic.rows[0]) == before

    async def test_filters_are_those_of_the_list(self, desk):
        for filters, matched in (
            ({}, 12),
            (RUNNING, 10),
            ({"status": ["running", "complete"]}, 12),
            ({"id_prefix": "o-1"}, 2),
            ({"created_from": 1_005, "created_before": 1_008}, 3),
            ({"created_before": "1970-01-01T00:00:01.003Z"}, 3),
            ({"text": "o-07"}, 1),
            ({"workflow": "audit"}, 0),
        ):
            assert (await desk.ask(action="delete", filters=filters))[1]["matched"] == matched

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"action": "explode"},
            {"action": "pause", "filters": {"colour": "red"}},
            {"action": "pause", "filters": {"status": ["gone"]}},
            {"action": "pause", "filters": {"created_from": "yesterday"}},
            {"action": "pause", "dry_run": False},
            {"action": "pause", "dry_run": False, "expected": -1},
            {"action": "pause", "dry_run": False, "expected": 12, "id": "no/slash"},
            {"action": "pause", "reason": "x" * 1001},
        ],
    )
    async def test_what_breaks_a_rule_is_refused(self, desk, body):
        status, problem = await desk.ask(**body)
        assert (status, problem["code"]) == (422, "instance.invalid_request")

    async def test_too_many_at_once_are_refused(self, desk, monkeypatch):
        monkeypatch.setattr(bulk, "BULK_MAX", 11)
        status, problem = await desk.ask(action="pause")
        assert status == 422
        assert "more than 11" in problem["detail"]


class TestDoing:
    async def test_each_is_told_and_its_outcome_is_in_the_answer(self, desk):
        done = await desk.done(action="pause", filters=RUNNING, expected=10, reason="too hot")
        assert (done["id"], done["matched"], done["done"]) == ("made-up", 10, 10)
        assert {it["verdict"] for it in done["outcomes"]} == {"accepted"}
        assert {it["status"] for it in done["outcomes"]} == {"waitingForPause"}
        assert {it.reason for it in desk.told(PauseRequested)} == {"too hot"}

    async def test_those_that_it_changes_nothing_for_are_not_told(self, desk):
        done = await desk.done(action="terminate", rollback=True, expected=12)
        assert (done["done"], done["unchanged"], done["refused"]) == (10, 2, 0)
        told = desk.told(TerminateRequested)
        assert len(told) == 10
        assert all(it.rollback for it in told)
        idle = [it for it in done["outcomes"] if it["verdict"] == "no_effect"]
        assert idle[0]["message"] == "order/o-11 is complete: nothing to do"

    async def test_they_are_told_in_batches(self, desk, monkeypatch):
        monkeypatch.setattr(bulk, "BATCH_MAX", 3)
        done = await desk.done(action="delete", expected=12)
        assert done["done"] == 12
        assert (await desk.ask(action="delete"))[1]["matched"] == 0

    async def test_when_others_match_now_nothing_is_done(self, desk):
        status, problem = await desk.ask(action="delete", dry_run=False, expected=11)
        assert (status, problem["code"]) == (409, "bulk.changed")
        assert problem["detail"] == "12 instances match now, not 11: look again"
        assert desk.told(DeleteRequested) == []

    async def test_asked_again_under_its_id_nobody_is_told_twice(self, desk):
        first = await desk.done(action="restart", expected=12, id="again")
        assert (first["done"], first["already_done"]) == (12, 0)
        length = len(desk.topic.rows[0])
        second = await desk.done(action="restart", expected=12, id="again")
        assert (second["done"], second["already_done"]) == (0, 12)
        assert len(desk.topic.rows[0]) == length

    async def test_what_broke_off_goes_on_under_its_id(self, desk, monkeypatch):
        monkeypatch.setattr(bulk, "BATCH_MAX", 4)
        desk.fails_after = 8
        status, problem = await desk.ask(
            action="terminate", filters=RUNNING, dry_run=False, expected=10, id="cut"
        )
        assert status == 503
        assert "ask again" in problem["detail"]
        desk.fails_after = None
        done = await desk.done(action="terminate", filters=RUNNING, expected=10, id="cut")
        assert (done["already_done"], done["done"]) == (8, 2)
        assert len(desk.told(TerminateRequested)) == 10
