"""Instances over HTTP: what is asked, what is answered, and who may ask at all."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import count

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from yarl import URL

from stepwell.schemas import codec
from stepwell.schemas.journal import InstanceCompleted, InstanceCreated, InstanceKey, StepSucceeded
from stepwell.streams.gateway.api import Instances
from stepwell.streams.gateway.app import build_app
from stepwell.streams.gateway.control import Control
from stepwell.streams.gateway.folding import FoldedJournal
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.intake import Intake
from stepwell.streams.gateway.server import make_runner
from stepwell.streams.gateway.webhooks import Rules, Webhooks
from stepwell.streams.metrics import Metrics
from tests.gateway.journal import MemoryJournal

TOKEN = "a long random token"
ORDERS = "/api/v1/workflows/order/instances"
ONE = f"{ORDERS}/one"
MIB = 1024 * 1024


@dataclass
class Client:
    """A running gateway over a journal in memory, and a client for it."""

    url: str
    session: aiohttp.ClientSession
    journal: MemoryJournal

    async def ask(self, method, path, **options):
        """(status, decoded body)."""
        async with self.session.request(method, self.url + path, **options) as answer:
            raw = await answer.read()
            return answer.status, json.loads(raw) if raw else None

    async def post(self, path, body=None, **options):
        return await self.ask("POST", path, json={} if body is None else body, **options)

    async def problem(self, method, path, **options):
        """(status, code, detail) of a refusal, which is an RFC 9457 problem."""
        async with self.session.request(method, self.url + path, **options) as answer:
            assert answer.content_type == "application/problem+json"
            body = await answer.json()
            assert (body["type"], body["status"]) == ("about:blank", answer.status)
            return answer.status, body["code"], body.get("detail", "")

    async def refusal(self, path, body):
        return await self.problem("POST", path, json=body)

    async def status(self, path=ONE):
        return (await self.ask("GET", path))[1]["summary"]["status"]


@asynccontextmanager
async def running_api(*, token=None, max_body_bytes=25 * MIB, timeout_ms=30_000):
    journal, metrics, guard = MemoryJournal(), Metrics("test"), Guard(token)
    clock, ids = count(1_000), count(1)
    control = Control(
        journal,
        FoldedJournal(journal.follow),
        clock=lambda: next(clock),
        new_id=lambda: f"id-{next(ids)}",
        timeout_ms=timeout_ms,
    )

    async def describe(workflow, instance_id):
        if not journal.readable:
            await asyncio.Event().wait()  # in vain
        return next(journal.ledger().details(workflow, instance_id), None)

    app = build_app(
        Webhooks({}, Intake(journal, metrics), metrics.gateway, Rules(), guard),
        journal,
        metrics,
        max_body_bytes=max_body_bytes,
        guard=guard,
        instances=Instances(control, describe, read_timeout_ms=timeout_ms),
    )
    runner = make_runner(app, shutdown_timeout_s=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession() as session:
            yield Client(f"http://127.0.0.1:{port}", session, journal)
    finally:
        await runner.cleanup()


@pytest.fixture
async def api():
    async with running_api() as client:
        yield client


class TestCreating:
    async def test_an_instance_is_created_and_can_be_found_where_the_answer_says(self, api):
        body = {"id": "one", "params": {"n": 1}, "lane": "bulk"}
        async with api.session.post(api.url + ORDERS, json=body) as answer:
            created = await answer.json()
            assert answer.status == 201
            location = answer.headers["Location"]
        assert (created["workflow"], created["instance_id"]) == ("order", "one")
        assert (created["status"], created["verdict"]) == ("running", "accepted")
        status, found = await api.ask("GET", location)
        assert (status, found["params"], found["lane"]) == (200, {"n": 1}, "bulk")

    async def test_without_a_body_it_has_an_id_of_its_own_and_no_parameters(self, api):
        json_type = {"Content-Type": "application/json"}
        status, created = await api.ask("POST", ORDERS, headers=json_type)
        assert (status, created["instance_id"]) == (201, "id-1")

    async def test_an_id_that_is_taken_is_a_conflict_and_changes_nothing(self, api):
        await api.post(ORDERS, {"id": "one", "params": 1})
        status, code, detail = await api.refusal(ORDERS, {"id": "one", "params": 2})
        assert (status, code) == (409, "instance.already_exists")
        assert detail == "order/one exists already, and is running"
        assert (await api.ask("GET", ONE))[1]["params"] == 1

    async def test_of_a_batch_those_are_listed_that_were_created(self, api):
        await api.post(ORDERS, {"id": "one"})
        batch = {"instances": [{"id": "one"}, {"id": "two", "params": 2}, {}]}
        status, created = await api.post(f"{ORDERS}/batch", batch)
        assert status == 201
        assert [each["instance_id"] for each in created] == ["two", "id-1"]

    async def test_a_batch_has_1_to_100_instances(self, api):
        for size in (0, 101):
            batch = {"instances": [{}] * size}
            status, code, detail = await api.refusal(f"{ORDERS}/batch", batch)
            assert (status, code) == (422, "instance.invalid_request")
            assert "instances: " in detail
        assert api.journal.length == 0


class TestTelling:
    async def test_an_event_is_stored_once(self, api):
        await api.post(ORDERS, {"id": "one"})
        event = {"type": "paid", "payload": {"amount": 5}, "event_id": "e-1"}
        status, receipt = await api.post(f"{ONE}/events", event)
        assert (status, receipt["verdict"], receipt["command_id"]) == (202, "accepted", "e-1")
        status, again = await api.post(f"{ONE}/events", event)
        assert (status, again["verdict"]) == (202, "duplicate-event")
        (stored,) = (await api.ask("GET", ONE))[1]["events"]
        assert (stored["type"], stored["payload"]) == ("paid", {"amount": 5})

    async def test_an_instance_is_paused_resumed_cancelled_terminated_and_restarted(self, api):
        await api.post(ORDERS, {"id": "one"})
        told = [
            ("pause", {"reason": "lunch"}, "waitingForPause"),
            ("resume", {}, "running"),
            ("cancel", {"reason": "wrong"}, "running"),
            ("terminate", {"rollback": False, "reason": "enough"}, "terminated"),
            ("restart", {"reason": "again"}, "running"),
        ]
        for action, body, after in told:
            status, receipt = await api.post(f"{ONE}/{action}", body)
            assert (action, status, receipt["status"]) == (action, 202, after)
            assert await api.status() == after

    async def test_a_restart_begins_with_the_step_that_is_named(self, api):
        _, created = await api.post(ORDERS, {"id": "one"})
        paid = StepSucceeded(created["offset"], "pay", 1, 1, 0, 1, 2, 7, call=1)
        api.journal.put(InstanceKey("order", "one").encode(), codec.encode(paid))
        unknown = {"from_step": {"name": "pay", "occurrence": 2}}
        status, code, detail = await api.refusal(f"{ONE}/restart", unknown)
        assert (status, code) == (409, "instance.cannot_restart")
        assert "'pay', number 2" in detail
        assert (await api.post(f"{ONE}/restart", {"from_step": {"name": "pay"}}))[0] == 202

    async def test_a_deleted_instance_is_not_found(self, api):
        await api.post(ORDERS, {"id": "one"})
        status, receipt = await api.ask("DELETE", ONE)
        assert (status, receipt["status"]) == (202, None)
        for method, path in (("GET", ONE), ("DELETE", ONE), ("POST", f"{ONE}/pause")):
            body = {"json": {}} if method == "POST" else {}
            answer = await api.problem(method, path, **body)
            assert answer == (404, "instance.not_found", "there is no instance order/one")

    async def test_one_that_has_ended_cannot_be_ended_or_sent_events(self, api):
        _, created = await api.post(ORDERS, {"id": "one"})
        end = InstanceCompleted(created["offset"], 0, 5_000, "done")
        api.journal.put(InstanceKey("order", "one").encode(), codec.encode(end))
        status, code, _ = await api.refusal(f"{ONE}/terminate", {})
        assert (status, code) == (409, "instance.cannot_terminate")
        status, code, _ = await api.refusal(f"{ONE}/events", {"type": "paid"})
        assert (status, code) == (409, "instance.cannot_receive")

    async def test_ids_that_only_schedules_give_can_be_addressed(self, api):
        name = "*/5 * * * *#2026"
        key = InstanceKey("order", name).encode()
        api.journal.put(key, codec.encode(InstanceCreated(None, 1_000)))  # as a worker does
        path = ORDERS + "/%2A%2F5%20%2A%20%2A%20%2A%20%2A%232026"
        url = URL(f"{api.url}{path}", encoded=True)
        async with api.session.get(url) as answer:
            assert (await answer.json())["summary"]["instance_id"] == name


async def test_details_are_those_of_the_ledger_and_large_results_are_named(api):
    _, created = await api.post(ORDERS, {"id": "one"})
    run, key = created["offset"], InstanceKey("order", "one").encode()
    for number, result in enumerate([np.zeros(384, np.float32), b"raw"], 1):
        step = StepSucceeded(run, f"s{number}", 1, 1, 0, 1, 2, result, call=number)
        api.journal.put(key, codec.encode(step))
    _, found = await api.ask("GET", ONE)
    assert [step["output"] for step in found["steps"]] == ["float32[384]", "3 bytes"]
    (details,) = api.journal.ledger().details("order", "one")
    assert found["summary"] == asdict(details.summary)
    assert found.keys() == asdict(details).keys()


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (ORDERS, {"prams": 1}, "prams: there is no such field"),
        (ORDERS, {"id": 1}, "id: should be a valid string"),
        (ORDERS, {"lane": "slow"}, "lane 'slow' is not one of live, bulk"),
        (ORDERS, {"params": {"$bytes": "eA=="}}, "key '$bytes' at $ is reserved"),
        (ORDERS, {"params": "x" * MIB}, "the limit is 1048576"),
        (ORDERS, [], "the body: should be an object"),
        (f"{ORDERS}/batch", {}, "instances: is required"),
        (f"{ORDERS}/batch", {"instances": [{}, {"n": 1}]}, "instances.1.n: there is no such field"),
        (f"{ONE}/events", {}, "type: is required"),
        (f"{ONE}/events", {"type": "a b"}, "event type 'a b'"),
        (f"{ONE}/pause", {"rollback": True}, "rollback: there is no such field"),
        (f"{ONE}/pause", {"reason": "x" * 1001}, "reason: should have at most 1000 characters"),
        (f"{ONE}/terminate", {"rollback": "yes"}, "rollback: should be a valid boolean"),
        (f"{ONE}/restart", {"from_step": "pay"}, "from_step: should be an object"),
        (f"{ONE}/restart", {"from_step": {"name": "pay", "occurrence": 0}}, "numbers begin at 1"),
        ("/api/v1/workflows/a%20b/instances", {}, "workflow name 'a b'"),
    ],
)
async def test_a_wrong_body_is_told_the_field_and_the_rule(api, path, body, said):
    status, code, detail = await api.refusal(path, body)
    assert (status, code) == (422, "instance.invalid_request")
    assert said in detail
    assert api.journal.length == 0


async def test_an_id_that_nobody_can_have(api):
    for path, body in ((ORDERS, {"id": "a b"}), (f"{ORDERS}/%00/pause", {})):
        status, code, _ = await api.refusal(path, body)
        assert (status, code) == (422, "instance.invalid_id")


@pytest.mark.parametrize("raw", [b"{", b"\xff", b'{"id": "\\ud800"}', b"[" * 100_000])
async def test_what_is_not_json(api, raw):
    json_type = {"Content-Type": "application/json"}
    status, code, _ = await api.problem("POST", ORDERS, data=raw, headers=json_type)
    assert (status, code) == (400, "request.json")


async def test_numbers_that_json_does_not_have_are_refused(api):
    json_type = {"Content-Type": "application/json"}
    raw = b'{"params": [NaN]}'
    status, _, detail = await api.problem("POST", ORDERS, data=raw, headers=json_type)
    assert (status, "nan at $[0]" in detail) == (422, True)


async def test_a_body_is_json_by_name_and_bounded():
    async with running_api(max_body_bytes=1000) as api:
        status, code, _ = await api.problem("POST", ORDERS, data="id=one")
        assert (status, code) == (415, "request.media_type")
        status, code, _ = await api.refusal(ORDERS, {"params": "x" * 1000})
        assert (status, code) == (413, "request.size")
        assert api.journal.length == 0


async def test_a_journal_that_is_down_says_so_and_the_way_on(api):
    api.journal.up = False
    async with api.session.post(api.url + ORDERS, json={}) as answer:
        body = await answer.json()
        assert (answer.status, body["code"]) == (503, "request.unavailable")
        assert answer.headers["Retry-After"] == "5"
        assert "the journal is down" not in body["detail"]


async def test_a_journal_that_is_not_read_in_time_leaves_it_open_what_was_stored():
    async with running_api(timeout_ms=1) as api:
        api.journal.readable = False
        assert (await api.problem("GET", ONE))[:2] == (503, "request.unavailable")
        status, _, detail = await api.refusal(ORDERS, {"id": "one"})
        assert (status, "may have been stored" in detail) == (503, True)
        api.journal.readable = True
        assert await api.status() == "running"


class TestWhoMayAsk:
    async def test_with_a_token_only_those_who_have_it(self):
        right = {"Authorization": f"Bearer {TOKEN}"}
        async with running_api(token=TOKEN) as api:
            for given in ("", "Bearer wrong", TOKEN, "Bearer \udcff"):
                wrong = {"Authorization": given}
                for method, path in (("POST", ORDERS), ("GET", ONE), ("DELETE", ONE)):
                    answer = await api.problem(method, path, headers=wrong)
                    assert answer[:2] == (401, "request.token")
            assert api.journal.length == 0
            assert (await api.post(ORDERS, {"id": "one"}, headers=right))[0] == 201
            by_name = right | {"Host": "gateway.acme.example"}
            assert (await api.ask("GET", ONE, headers=by_name))[0] == 200

    async def test_pages_of_other_sites_may_not(self, api):
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://["):
            answer = await api.problem("POST", ORDERS, json={}, headers={"Origin": origin})
            assert answer[:2] == (403, "request.origin")
        assert api.journal.length == 0
        assert (await api.post(ORDERS, {}, headers={"Origin": api.url}))[0] == 201

    @pytest.mark.parametrize("host", ["evil.example:8400", "127.0.0.1.evil.example", "[::1", ""])
    async def test_without_a_token_the_name_of_this_machine_is_a_loopback_name(self, api, host):
        rebound = {"Host": host, "Origin": f"http://{host}"}
        answer = await api.problem("POST", ORDERS, json={}, headers=rebound)
        assert answer[0] == 403
        assert api.journal.length == 0

    @pytest.mark.parametrize("host", ["localhost:8400", "[::1]:8400", "127.0.0.1"])
    async def test_loopback_has_several_names(self, api, host):
        assert (await api.post(ORDERS, {}, headers={"Host": host}))[0] == 201
