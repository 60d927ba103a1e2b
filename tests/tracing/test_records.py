"""A trace goes on through the headers of records, and calls for many link to it."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry.trace import SpanKind, StatusCode

from stepwell.schemas import codec
from stepwell.schemas.cloudevents import EventRecord
from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.streams import Workflow, Workflows, on_event
from stepwell.streams.agents.records import RawRecord
from stepwell.streams.agents.route import Router
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.gateway.traced import TracedEvents, tracing_requests
from stepwell.streams.index.batched import BatchedIndex
from stepwell.streams.index.memory import InMemoryIndex
from stepwell.streams.metrics import Metrics
from stepwell.streams.runtime.batcher import BatchLimits
from stepwell.streams.spans import NO_TRACING, Body, ModelRuns, Run, Tracing, headers_of
from tests.index.test_batched_index import embedded
from tests.tracing.conftest import GROUP, Traced, id_of, parent_of, trace_of

TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
STATE = b"vendor=1"


class Order(Workflow, name="order"):
    triggers = (on_event("shop.order.*"),)

    async def run(self, event, step): ...


class Desk:
    """A router, and what it appended."""

    def __init__(self, tracing: Tracing) -> None:
        self.appended = []
        self.refused = []
        self._router = Router(
            Workflows([(Order, None)]),
            lambda *record: self.appended.append(record),
            lambda _record, failure: self.refused.append(failure),
            Metrics("test"),
            lambda: 1_000,
            tracing=tracing,
        )

    def take(self, *trace, type_="shop.order.placed", value=b"{}"):
        headers = {"specversion": "1.0", "id": "id-1", "source": "shop", "type": type_}
        pairs = [(f"ce_{name}", text.encode()) for name, text in headers.items()]
        record = RawRecord("events", 3, 42, 1_000, b"order-1", value, (*pairs, *trace))
        self._router.handle(record)
        return self


def test_an_event_hands_its_trace_to_the_instance_and_to_the_header_of_its_record(
    traced: Traced,
) -> None:
    desk = Desk(traced.tracing).take(("traceparent", TRACEPARENT), ("tracestate", STATE))
    span = traced.one("process events")
    assert span.kind is SpanKind.CONSUMER
    assert parent_of(span) == 0x00F067AA0BA902B7
    assert dict(span.attributes) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "events",
        "messaging.destination.partition.id": "3",
        "messaging.consumer.group.name": GROUP,
        "messaging.kafka.offset": 42,
    }
    ((_, value, headers),) = desk.appended
    created = codec.decode(value)
    assert isinstance(created, InstanceCreated)
    trace = f"00-0af7651916cd43dd8448eb211c80319c-{id_of(span):016x}-01"
    assert dict(headers) == {"traceparent": trace.encode(), "tracestate": STATE}
    assert headers == headers_of(created.trace)


def test_a_redelivered_event_makes_the_same_record_and_the_same_span(traced: Traced) -> None:
    with_trace, without = [("traceparent", TRACEPARENT)], []
    for trace in (with_trace, without):
        traced.exporter.clear()
        desks = [Desk(tracing).take(*trace) for tracing in (traced.tracing, traced.another())]
        assert desks[0].appended == desks[1].appended
        one, again = traced.spans
        assert (trace_of(one), id_of(one)) == (trace_of(again), id_of(again))


@pytest.mark.parametrize("nonsense", [b"", b"\xff\xfe", b"00-1-2-3", b"00-" + b"f" * 51, None])
def test_a_header_that_makes_no_sense_begins_a_trace(traced: Traced, nonsense) -> None:
    desk = Desk(traced.tracing).take(("traceparent", nonsense))
    assert len(desk.appended) == 1
    assert traced.one("process events").parent is None


def test_an_event_that_is_set_aside_and_a_tombstone_say_so(traced: Traced) -> None:
    desk = Desk(traced.tracing).take(value=b"not JSON").take(value=None)
    assert len(desk.refused) == 1
    refused, tombstone = traced.spans
    assert refused.status.status_code is StatusCode.ERROR
    assert tombstone.attributes["messaging.kafka.message.tombstone"] is True


def test_without_tracing_nothing_is_written() -> None:
    ((_, value, headers),) = Desk(NO_TRACING).take(("traceparent", TRACEPARENT)).appended
    assert headers == ()
    assert codec.decode(value).trace is None


class Log:
    """An event log in memory, which may be away."""

    def __init__(self) -> None:
        self.records = []
        self.away = False

    async def append(self, record: EventRecord) -> None:
        if self.away:
            raise BrokerUnavailable("away")
        self.records.append(record)

    async def reachable(self) -> bool:
        return not self.away


def requests_to(log: Log, traced: Traced) -> TestClient:
    events = TracedEvents(log, "events", traced.tracing)

    async def take(request: web.Request) -> web.Response:
        try:
            await events.append(EventRecord(b"k", b"{}", [("ce_id", b"1")]))
        except BrokerUnavailable:
            return web.Response(status=503)
        return web.Response(status=202)

    app = web.Application(middlewares=[tracing_requests(traced.tracing)])
    app.add_routes([web.post("/webhooks/{source}", take), web.get("/metrics", take)])
    return TestClient(TestServer(app))


async def test_a_webhook_goes_on_in_its_event(traced: Traced) -> None:
    log = Log()
    async with requests_to(log, traced) as client:
        headers = {"Traceparent": TRACEPARENT.decode(), "Tracestate": STATE.decode()}
        await client.post("/webhooks/github?secret=1", headers=headers)
        await client.get("/metrics")
    sent, request = traced.spans[:2]
    assert (sent.name, request.name) == ("send events", "POST /webhooks/{source}")
    assert (sent.kind, request.kind) == (SpanKind.PRODUCER, SpanKind.SERVER)
    assert dict(request.attributes) == {
        "http.request.method": "POST",
        "http.route": "/webhooks/{source}",
        "http.response.status_code": 202,
    }
    assert parent_of(request) == 0x00F067AA0BA902B7
    assert parent_of(sent) == id_of(request)
    record, _ = log.records
    assert dict(record.headers) == {
        "ce_id": b"1",
        "traceparent": f"00-{trace_of(sent):032x}-{id_of(sent):016x}-01".encode(),
        "tracestate": STATE,
    }
    assert not traced.named("GET /metrics")


async def test_an_answer_of_5xx_is_a_failure(traced: Traced) -> None:
    log = Log()
    log.away = True
    async with requests_to(log, traced) as client:
        await client.post("/webhooks/github")
    sent, request = traced.spans
    assert sent.status.status_code is StatusCode.ERROR
    assert request.status.status_code is StatusCode.ERROR
    assert request.parent is None


async def test_a_batch_links_to_its_runs_and_their_attempts_to_it(traced: Traced) -> None:
    batched = BatchedIndex(InMemoryIndex(4), BatchLimits(100, 10**9, 0, 1000))
    batched.trace(traced.tracing)
    runs = [Run(made_in(traced, it), InstanceKey("embed", f"i{it}"), 7) for it in range(3)]

    async def write(number: int) -> None:
        with traced.tracing.attempt(runs[number], Body("upsert-vector", 1, 1, "do")):
            await batched.upsert_one(embedded(f"k{number}"))

    await asyncio.gather(*map(write, range(3)), batched.upsert_one(embedded("of nobody")))
    await batched.close()
    batch, attempts = traced.one("upsert"), traced.named("step upsert-vector")
    assert batch.kind is SpanKind.CLIENT
    assert batch.parent is None
    assert batch.attributes == {"db.operation.name": "upsert", "db.operation.batch.size": 4}
    assert {link.context.span_id for link in batch.links} == {parent_of(it) for it in attempts}
    assert {link.context.trace_id for link in batch.links} == {trace_of(it) for it in attempts}
    assert len(batch.links) == 3
    for attempt in attempts:
        assert [link.context.span_id for link in attempt.links] == [id_of(batch)]


async def test_a_run_of_the_model_links_to_its_runs_from_another_thread(traced: Traced) -> None:
    observer = ModelRuns(traced.tracing)
    run = Run(made_in(traced, 1), InstanceKey("embed", "i"), 7)
    with traced.tracing.attempt(run, Body("generate-embedding", 1, 1, "do")):
        asked = [observer.asked()]

        def infer() -> None:
            with observer.running([*asked, None]):
                pass

        await asyncio.to_thread(infer)
    inference, attempt = traced.one("embed"), traced.one("step generate-embedding")
    assert inference.parent is None
    assert inference.attributes == {
        "gen_ai.operation.name": "embeddings",
        "stepwell.batch.size": 2,
    }
    assert [link.context.span_id for link in inference.links] == [parent_of(attempt)]
    assert [link.context.span_id for link in attempt.links] == [id_of(inference)]


def made_in(traced: Traced, number: int):
    with traced.tracing.serving("POST", f"/{number}", {}) as span:
        return span.trace
