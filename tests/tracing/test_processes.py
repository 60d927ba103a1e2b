"""One trace from the header of a webhook to the upsert, through a gateway and a worker process."""

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.deployment import STEPWELL, Deployment
from tests.metrics.conftest import PAYLOAD
from tests.models.tiny import export, write_source
from tests.tracing.collector import Collector, Told, collecting

pytestmark = pytest.mark.slow

DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
TRACE_ID, SENDER = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"
RUN = "workflow embed-content"
STEPS = ("step fetch-content", "step generate-embedding", "step upsert-vector")


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as collector:
        yield collector


@pytest.fixture
async def deployment(
    tmp_path: Path,
    embedded_bootstrap: str,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Deployment]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    published = tmp_path / "published"
    published.mkdir()
    write_source(published)
    deployment = Deployment.create(
        tmp_path,
        embedded_bootstrap,
        f"sqlite://{tmp_path}/index.db",
        STEPWELL_MODEL_DIR=str(export(published, tmp_path / "model")),
        STEPWELL_TRACING_ENDPOINT=collector.url,
    )
    try:
        await deployment.start_gateway()
        await deployment.start_worker()
        yield deployment
    finally:
        deployment.close()


async def deliver(deployment: Deployment, delivery: str, **headers: str) -> None:
    async with aiohttp.ClientSession(headers=headers) as client:
        status, answer = await deployment.post(client, "issues", delivery, PAYLOAD)
    assert status == 202, answer


async def test_one_trace_leads_from_the_webhook_to_the_upsert(
    deployment: Deployment, collector: Collector
) -> None:
    await deliver(deployment, DELIVERY, traceparent=f"00-{TRACE_ID}-{SENDER}-01")
    names = (*path_of(deployment), *STEPS, "embed", "upsert")
    await collector.until(lambda _: all(map(collector.named, names)))
    request, sent, processed, run = (one(collector, name) for name in path_of(deployment))
    steps = [it for it in collector.told if it.span.name.startswith("step ")]
    assert [it.span.name for it in steps] == list(STEPS)
    belonging = [request, sent, processed, run, *steps]
    assert {it.span.trace_id.hex() for it in belonging} == {TRACE_ID}
    assert {it.service for it in (request, sent)} == {"stepwell-gateway"}
    assert {it.service for it in (processed, run, *steps)} == {"stepwell-worker"}

    assert request.span.parent_span_id.hex() == SENDER
    assert sent.span.parent_span_id == request.span.span_id
    assert processed.span.parent_span_id == sent.span.span_id
    assert run.span.parent_span_id == processed.span.span_id
    assert {it.span.parent_span_id for it in steps} == {run.span.span_id}
    assert run["stepwell.instance"] == DELIVERY
    assert processed["messaging.consumer.group.name"] == deployment.settings.kafka.app_id

    inference = one(collector, "embed")
    assert [link.span_id for link in inference.span.links] == [run.span.span_id]
    assert [link.span_id for link in steps[1].span.links] == [inference.span.span_id]
    batch = one(collector, "upsert")
    assert batch.service == "stepwell-worker"
    assert [link.trace_id.hex() for link in batch.span.links] == [TRACE_ID]
    assert [link.span_id for link in batch.span.links] == [run.span.span_id]
    assert [link.span_id for link in steps[-1].span.links] == [batch.span.span_id]

    shown = await asyncio.to_thread(
        subprocess.run,
        [STEPWELL, "instances", "describe", DELIVERY],
        env=os.environ | deployment.environ,
        check=True,
        capture_output=True,
        text=True,
    )
    assert re.search(rf"^Trace: +{TRACE_ID}$", shown.stdout, re.MULTILINE)


async def test_a_worker_that_takes_over_tells_nothing_again(
    deployment: Deployment, collector: Collector
) -> None:
    await deliver(deployment, DELIVERY, traceparent="nonsense")
    await collector.until(lambda _: bool(collector.named(RUN)))
    deployment.kill()
    await deployment.start_worker("another")
    other = "a" + DELIVERY[1:]
    await deliver(deployment, other)
    await collector.until(
        lambda _: any(it["stepwell.instance"] == other for it in collector.named(RUN))
    )
    # What they tell at the end comes to this very loop.
    assert await asyncio.to_thread(deployment.stop, "another") == 0
    assert await asyncio.to_thread(deployment.stop, "gateway") == 0
    for name in (*STEPS, "embed", "upsert"):
        assert len(collector.named(name)) == 2, name
    for name in path_of(deployment):  # an event may come again: it is the same span
        assert len({it.span.span_id for it in collector.named(name)}) == 2, name
    traces = {it["stepwell.instance"]: it.span.trace_id for it in collector.named(RUN)}
    assert traces.keys() == {DELIVERY, other}
    assert len(set(traces.values())) == 2, "a trace that makes no sense begins anew"


async def test_a_collector_that_is_away_holds_up_nothing(
    deployment: Deployment, collector: Collector
) -> None:
    deployment.stop("gateway")
    deployment.stop("worker")
    deployment.environ["STEPWELL_TRACING_ENDPOINT"] = "http://127.0.0.1:9"
    await deployment.start_gateway()
    await deployment.start_worker("another")
    await deliver(deployment, DELIVERY)
    await deployment.until(lambda ledger: bool(ledger.summaries(status="complete")))
    assert deployment.stop("another") == 0
    assert deployment.stop("gateway") == 0
    assert collector.told == []


def path_of(deployment: Deployment) -> tuple[str, ...]:
    """The spans from the webhook to the run."""
    topic = f"{deployment.settings.kafka.prefix}.events"
    return ("POST /webhooks/{source}", f"send {topic}", f"process {topic}", RUN)


def one(collector: Collector, name: str) -> Told:
    (told,) = collector.named(name)
    return told
