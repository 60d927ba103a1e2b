"""What workflows can do, done by real workers: on the embedded broker and on Apache Kafka."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stepwell.schemas.commands import StepRef
from stepwell.schemas.journal import InstanceKey
from stepwell.streams.gateway.control import Control
from stepwell.streams.kafka.admin import ensure_topics
from stepwell.streams.operator.control import open_control
from stepwell.streams.views import InstanceDetails
from stepwell.streams.wiring import topics_of
from tests.broker_process import BrokerProcess
from tests.e2e.deployment import Deployment

pytestmark = pytest.mark.slow

BATCH = 40


def key(workflow: str) -> InstanceKey:
    return InstanceKey(workflow, "one")


@dataclass
class Stage:
    """A deployment with one worker, and the means to tell its instances things."""

    deployment: Deployment
    control: Control

    async def start(self, workflow: str, params: Any, instance: str = "one") -> None:
        await self.control.create(workflow, params, instance_id=instance)

    async def until(self, workflow: str, status: str, instance: str = "one") -> InstanceDetails:
        """The instance, once it has this status."""
        ledger = await self.deployment.until(
            lambda ledger: any(
                it.instance_id == instance
                for it in ledger.summaries(workflow=workflow, status=status)
            )
        )
        (found,) = ledger.details(workflow, instance)
        return found

    async def replace_worker(self) -> None:
        """The worker dies without a word, and another one takes its place."""
        self.deployment.kill("worker")
        await self.deployment.start_worker()


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def bootstrap(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "kafka":
        yield request.getfixturevalue("kafka_bootstrap")
        return
    broker = BrokerProcess.create(tmp_path / "broker")
    broker.start()
    yield broker.address
    broker.kill()


@pytest.fixture
async def stage(bootstrap: str, tmp_path: Path) -> AsyncIterator[Stage]:
    deployment = Deployment.create(
        tmp_path,
        bootstrap,
        STEPWELL_WORKER_WORKFLOWS="tests.e2e.behaviours:all_of_them",
        STEPWELL_WORKER_STORE="rocksdb",
    )
    try:
        await ensure_topics(bootstrap, topics_of(deployment.settings.kafka).facts(), 1)
        await deployment.start_worker()
        async with open_control(deployment.settings) as control:
            yield Stage(deployment, control)
    finally:
        deployment.close()


def steps(found: InstanceDetails) -> list[tuple[str, str, str]]:
    return [(step.kind, step.name, step.status) for step in found.steps]


async def test_an_order_waits_for_its_payment_sleeps_and_ships(stage: Stage) -> None:
    await stage.start("order", {"id": 7})
    await stage.until("order", "waiting")
    await stage.control.send_event(key("order"), "paid", {"order": {"id": 8}, "amount": 1})
    await stage.replace_worker()
    await stage.control.send_event(key("order"), "paid", {"order": {"id": 7}, "amount": 5})
    found = await stage.until("order", "complete")
    assert found.output == {"shipped": True, "amount": 5}
    assert ("sleep", "cool-off", "complete") in steps(found)


async def test_a_failed_order_is_rolled_back_the_last_step_first(stage: Stage) -> None:
    await stage.start("order", {"id": 7, "unshippable": True})
    await stage.control.send_event(key("order"), "paid", {"order": {"id": 7}, "amount": 5})
    found = await stage.until("order", "errored")
    undone = [step.name for step in found.steps if step.kind == "rollback"]
    assert undone == ["charge", "reserve"]
    assert found.rollback is not None
    assert found.rollback.outcome == "complete"


async def test_a_paused_order_keeps_its_event_until_it_goes_on(stage: Stage) -> None:
    await stage.start("order", {"id": 7})
    await stage.until("order", "waiting")
    await stage.control.pause(key("order"))
    await stage.until("order", "paused")
    await stage.control.send_event(key("order"), "paid", {"order": {"id": 7}, "amount": 5})
    await stage.replace_worker()
    await stage.until("order", "paused")
    await stage.control.resume(key("order"))
    assert (await stage.until("order", "complete")).output["shipped"]


async def test_an_order_is_terminated_with_rollback_restarted_and_deleted(stage: Stage) -> None:
    await stage.start("order", {"id": 7})
    await stage.until("order", "waiting")
    await stage.control.terminate(key("order"), rollback=True)
    found = await stage.until("order", "terminated")
    assert ("rollback", "reserve", "complete") in steps(found)
    await stage.control.restart(key("order"), from_step=StepRef("reserve"))
    await stage.until("order", "waiting")
    await stage.control.delete(key("order"))
    await stage.start("order", {"id": 9})
    await stage.until("order", "waiting")
    await stage.control.send_event(key("order"), "paid", {"order": {"id": 9}, "amount": 2})
    assert (await stage.until("order", "complete")).output["amount"] == 2


async def test_children_in_all_partitions_report_through_deaths_and_a_rebalance(
    stage: Stage,
) -> None:
    await stage.start("batch", BATCH)
    await stage.deployment.start_worker("second", wait=False)
    await stage.deployment.until(lambda ledger: bool(ledger.summaries(workflow="part")))
    await stage.replace_worker()
    found = await stage.until("batch", "complete")
    assert found.output == sum(range(BATCH))
    assert (await stage.until("after", "complete")).output == found.output


async def test_a_race_is_won_by_the_timer_and_its_loser_is_gone(stage: Stage) -> None:
    await stage.start("race", None)
    assert (await stage.until("race", "complete")).output == 1


async def test_a_loop_continues_as_new_and_keeps_no_old_steps(stage: Stage) -> None:
    await stage.start("loop", {"left": 20, "total": 0})
    found = await stage.until("loop", "complete")
    assert found.output == sum(range(21))
    assert len(found.steps) == 1


async def test_a_step_that_takes_its_worker_down_is_quarantined_and_its_neighbours_end(
    stage: Stage, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    for number in range(10):
        await stage.start("steady", number, f"s{number}")
    await stage.start("deadly", str(mended))
    restarting = asyncio.create_task(keep_running(stage.deployment))
    try:
        found = await asyncio.wait_for(until_paused(stage), 240)
        assert "boom" in (found.summary.reason or "")
        for number in range(10):
            await stage.until("steady", "complete", f"s{number}")
        mended.touch()
        await stage.control.resume(key("deadly"))
        assert (await stage.until("deadly", "complete")).output == "mended"
    finally:
        restarting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await restarting


async def keep_running(deployment: Deployment) -> None:
    """What a supervisor does."""
    while True:
        await asyncio.sleep(0.1)
        if deployment.processes["worker"].poll() is not None:
            del deployment.processes["worker"]
            await deployment.start_worker(wait=False)


async def until_paused(stage: Stage) -> InstanceDetails:
    while True:
        ledger = await stage.deployment.ledger()
        if ledger.summaries(workflow="deadly", status="paused"):
            (found,) = ledger.details("deadly", "one")
            return found
        await asyncio.sleep(0.2)
