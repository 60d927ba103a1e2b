"""`stepwell explain` names the cause in each situation, made by a real worker on a real broker."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from stepwell.schemas.journal import InstanceKey
from stepwell.streams.gateway.control import Control
from stepwell.streams.kafka.admin import ensure_topics
from stepwell.streams.operator.control import open_control
from stepwell.streams.operator.explaining import explain_instance
from stepwell.streams.views import Explanation
from stepwell.streams.wiring import topics_of
from tests.e2e.deployment import Deployment

pytestmark = pytest.mark.slow

STARTED: dict[str, tuple[str, Any]] = {
    "sleeper-1": ("sleeper", None),
    "listener-1": ("listener", None),
    "listener-2": ("listener", None),
    "parent-1": ("parent", None),
    "failing-1": ("failing", False),
    "failing-2": ("failing", True),
    "single-1": ("single", None),
    "changing-1": ("changing", None),
    "gone-1": ("gone", None),
}


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Deployment]:
    bootstrap = request.getfixturevalue(f"{request.param}_bootstrap")
    made = Deployment.create(
        tmp_path,
        bootstrap,
        STEPWELL_WORKER_WORKFLOWS="tests.e2e.stuck:before",
        STEPWELL_WORKER_STORE="rocksdb",
        STEPWELL_TEST_STEP="first",
    )
    await ensure_topics(bootstrap, topics_of(made.settings.kafka).facts(), 1)
    yield made
    made.close()


async def test_each_cause_has_its_name(deployment: Deployment) -> None:
    async with open_control(deployment.settings) as control:
        await deployment.start_worker()
        await start_everything(deployment, control)
        first, second = [
            (await explain(deployment, name)).causes for name in ("single-1", "single-2")
        ]
        assert {it.code for it in (*first, *second)} == {"limit"}  # of one of them
        assert await codes(deployment) == {
            "sleeper-1": ["timer"],
            "listener-1": ["event"],
            "listener-2": ["pause", "event"],
            "parent-1": ["child"],
            "failing-1": ["retry"],
            "failing-2": ["index-down"],
            "changing-1": [],
            "gone-1": [],
        }

        deployment.kill("worker")
        deployment.environ |= {
            "STEPWELL_TEST_STEP": "renamed",
            "STEPWELL_WORKER_WORKFLOWS": "tests.e2e.stuck:after",
        }
        await deployment.start_worker()
        await deployment.until(lambda ledger: len(ledger.summaries(status="paused")) == 3)
        changed = await explain(deployment, "changing-1")
        assert [cause.code for cause in changed.causes] == ["diverged"]
        assert "renamed" in changed.causes[0].what
        gone = await explain(deployment, "gone-1")
        assert [cause.code for cause in gone.causes] == ["unknown-workflow"]

        assert deployment.stop("worker") == 0
        assert (await explain(deployment, "listener-1")).ownership.owner is None
        assert [it.code for it in (await explain(deployment, "listener-1")).causes] == [
            "no-owner",
            "event",
        ]
        await control.terminate(InstanceKey("sleeper", "sleeper-1"))
        assert [it.code for it in (await explain(deployment, "sleeper-1")).causes] == ["ended"]


async def start_everything(deployment: Deployment, control: Control) -> None:
    """All of them, and wait until each has come as far as it does."""
    for instance_id, (workflow, params) in STARTED.items():
        await control.create(workflow, params, instance_id=instance_id)
    await control.pause(InstanceKey("listener", "listener-2"), "on holiday")
    # The place that the first one takes is known once the second one stands in line for it.
    await control.create("single", None, instance_id="single-2")
    await deployment.until(
        lambda ledger: (
            len(ledger.summaries(status="waiting")) == 4
            and len(ledger.summaries(status="queued")) == 1
            and len(ledger.summaries(status="paused")) == 1
            and all(
                next(ledger.details(None, name)).steps
                for name in ("failing-1", "failing-2", "changing-1")
            )
        )
    )


async def codes(deployment: Deployment) -> dict[str, list[str]]:
    names = (name for name in STARTED if name != "single-1")
    found = {name: await explain(deployment, name) for name in names}
    return {name: [cause.code for cause in it.causes] for name, it in found.items()}


async def explain(deployment: Deployment, instance_id: str) -> Explanation:
    return await explain_instance(deployment.settings, None, instance_id)
