"""A run and its attempts are spans of the trace in which the instance was created."""

import asyncio
from datetime import timedelta

import pytest
from opentelemetry import trace as otel
from opentelemetry.trace import StatusCode

from stepwell.schemas.journal import InstanceKey
from stepwell.schemas.parts import Trace
from stepwell.streams import Retries, Step, Workflow, WorkflowEvent
from stepwell.streams.spans import NO_TRACING, Run
from stepwell.streams.testing import WorkflowTest
from tests.tracing.conftest import Traced, id_of, parent_of, trace_of

SENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"}
TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C
KEY = InstanceKey("order", "one")


class Order(Workflow, name="order"):
    """Two steps, the first of which fails once, and a nap between them."""

    async def run(self, event: WorkflowEvent[None], step: Step) -> str:
        await step.do("reserve", self.reserve, retries=Retries(limit=2, delay="1 second"))
        await step.sleep("nap", "1 hour")
        return await step.do("charge", self.charge)

    async def reserve(self) -> None:
        self.env["tries"] = self.env.get("tries", 0) + 1
        if self.env["tries"] == 1:
            raise ConnectionError("the shop is closed")

    async def charge(self) -> str:
        self.env["seen"] = otel.get_current_span().get_span_context().trace_id
        return "paid"


class Parent(Workflow, name="parent"):
    async def run(self, event: WorkflowEvent[None], step: Step) -> str:
        return await step.child("order", Order)


class Pages(Workflow, name="pages"):
    async def run(self, event: WorkflowEvent[int], step: Step) -> None:
        await step.do("page", self.page)
        if event.payload > 1:
            step.continue_as_new(event.payload - 1)

    async def page(self) -> None: ...


class Broken(Workflow, name="broken"):
    async def run(self, event: WorkflowEvent[None], step: Step) -> None:
        raise LookupError("no such page")


async def test_each_attempt_is_a_child_of_its_run_and_the_run_of_what_created_it(
    traced: Traced,
) -> None:
    env: dict[str, int] = {}
    async with WorkflowTest((Order, env), tracing=traced.tracing) as test:
        with traced.tracing.serving("POST", "/create", SENT):
            handle = await test.start(Order, id="one")
        assert await handle.result() == "paid"
        await test.run_until_idle()
    request, run = traced.one("POST /create"), traced.one("workflow order")
    assert {trace_of(span) for span in traced.spans} == {TRACE_ID}
    assert parent_of(request) == 0x00F067AA0BA902B7
    assert parent_of(run) == id_of(request)
    failed, succeeded = traced.named("step reserve")
    charged = traced.one("step charge")
    assert [parent_of(it) for it in (failed, succeeded, charged)] == [id_of(run)] * 3
    assert len(traced.spans) == 5
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes["error.type"] == "ConnectionError"
    assert succeeded.attributes["stepwell.attempt"] == 2
    assert succeeded.status.status_code is StatusCode.UNSET
    assert run.attributes["stepwell.status"] == "complete"
    assert run.attributes["stepwell.instance"] == "one"
    assert run.end_time - run.start_time >= timedelta(hours=1).total_seconds() * 1e9
    assert env["seen"] == TRACE_ID, "what a body calls belongs to the trace too"


async def test_what_was_done_before_a_crash_is_not_told_again(traced: Traced) -> None:
    async with WorkflowTest((Order, {"tries": 1}), tracing=traced.tracing) as test:
        with traced.tracing.serving("POST", "/create", SENT):
            handle = await test.start(Order, id="one")
        await test.advance("10 minutes")
        test.crash()
        test.crash()
        assert await handle.result() == "paid"
        await test.run_until_idle()
    assert [span.name for span in traced.spans] == [
        "POST /create",
        "step reserve",
        "step charge",
        "workflow order",
    ]
    attempts = [*traced.named("step reserve"), *traced.named("step charge")]
    assert {parent_of(span) for span in attempts} == {id_of(traced.one("workflow order"))}


async def test_a_child_belongs_to_the_run_that_started_it(traced: Traced) -> None:
    env: dict[str, int] = {"tries": 1}
    async with WorkflowTest(Parent, (Order, env), tracing=traced.tracing) as test:
        with traced.tracing.serving("POST", "/create", SENT):
            handle = await test.start(Parent)
        await handle.result()
        await test.run_until_idle()
    child = traced.one("workflow order")
    assert parent_of(child) == id_of(traced.one("workflow parent"))
    assert trace_of(child) == TRACE_ID


async def test_a_restarted_run_is_a_span_of_its_own(traced: Traced) -> None:
    async with WorkflowTest((Order, {"tries": 1}), tracing=traced.tracing) as test:
        with traced.tracing.serving("POST", "/create", SENT):
            handle = await test.start(Order)
        await handle.result()
        await test.run_until_idle()
        await handle.restart()
        await handle.result()
        await test.run_until_idle()
    first, second = traced.named("workflow order")
    assert id_of(first) != id_of(second)
    assert parent_of(first) == parent_of(second)
    assert [parent_of(it) for it in traced.named("step charge")] == [id_of(first), id_of(second)]
    assert second.start_time >= first.end_time


async def test_a_run_that_begins_another_one_ends_with_it(traced: Traced) -> None:
    async with WorkflowTest(Pages, tracing=traced.tracing) as test:
        with traced.tracing.serving("POST", "/create", SENT):
            handle = await test.start(Pages, 2)
        await handle.result()
        await test.run_until_idle()
    first, second = traced.named("workflow pages")
    assert [it.attributes["stepwell.status"] for it in (first, second)] == ["continued", "complete"]
    assert [parent_of(it) for it in traced.named("step page")] == [id_of(first), id_of(second)]


async def test_an_error_of_a_run_is_told(traced: Traced) -> None:
    async with WorkflowTest(Broken, tracing=traced.tracing) as test:
        with traced.tracing.serving("POST", "/create", SENT):
            handle = await test.start(Broken)
        await test.run_until_idle()
        assert handle.status == "errored"
    run = traced.one("workflow broken")
    assert run.status.status_code is StatusCode.ERROR
    assert run.status.description == "no such page"
    assert run.attributes["error.type"] == "LookupError"


async def test_an_instance_created_in_no_trace_is_not_traced(traced: Traced) -> None:
    async with WorkflowTest((Order, {}), tracing=traced.tracing) as test:
        assert await (await test.start(Order)).result() == "paid"
    assert traced.spans == ()


async def test_who_does_not_want_the_trace_recorded_gets_none(traced: Traced) -> None:
    unwanted = {"traceparent": SENT["traceparent"][:-2] + "00"}
    async with WorkflowTest((Order, {}), tracing=traced.tracing) as test:
        with traced.tracing.serving("POST", "/create", unwanted):
            handle = await test.start(Order)
        assert await handle.result() == "paid"
    assert traced.spans == ()


@pytest.mark.parametrize("nonsense", ["", "00-zz-1-01", f"00-{0:032}-{0:016}-01", "ü"])
async def test_a_trace_that_makes_no_sense_is_no_error(traced: Traced, nonsense: str) -> None:
    with traced.tracing.serving("POST", "/create", {"traceparent": nonsense}) as span:
        assert span.trace is not None
    assert traced.one("POST /create").parent is None
    run = Run(Trace(nonsense), KEY, 3)
    assert traced.tracing.child(run) is None


async def test_without_tracing_a_child_stays_in_the_trace_of_its_parent() -> None:
    trace = Trace(SENT["traceparent"])
    assert NO_TRACING.child(Run(trace, KEY, 3)) == trace
    assert NO_TRACING.current() is None
    await asyncio.sleep(0)
