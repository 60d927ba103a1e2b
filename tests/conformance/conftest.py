"""Where the marked subset runs: on the engine alone, and through a worker on either broker."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from stepwell.schemas.journal import InstanceKey
from stepwell.streams import Workflow
from stepwell.streams.gateway.control import Control
from stepwell.streams.kafka.admin import ensure_topics
from stepwell.streams.operator.control import open_control
from stepwell.streams.testing import Handle, WorkflowTest
from stepwell.streams.views import InstanceDetails
from stepwell.streams.wiring import topics_of
from tests.broker_process import BrokerProcess
from tests.conformance.shared import SHARED
from tests.e2e.deployment import Deployment

ENDED = ("complete", "errored", "terminated")


class Harness(Protocol):
    """What the tests of the subset do."""

    async def start(self, workflow: type[Workflow], params: Any, instance: str) -> None:
        """Create an instance."""
        ...

    async def send(self, instance: str, command: str, **options: Any) -> None:
        """Ask something of it, by the name of the method that a handle has for it."""
        ...

    async def status(self, instance: str, wanted: str) -> str:
        """Its status once it is the wanted one, or has ended."""
        ...

    async def result(self, instance: str) -> Any:
        """What it returns."""
        ...


class EngineHarness:
    """The engine with no broker, in virtual time."""

    def __init__(self, test: WorkflowTest) -> None:
        self._test = test
        self._handles: dict[str, Handle] = {}

    async def start(self, workflow: type[Workflow], params: Any, instance: str) -> None:
        self._handles[instance] = await self._test.start(workflow, params, id=instance)

    async def send(self, instance: str, command: str, **options: Any) -> None:
        await getattr(self._handles[instance], command)(**options)

    async def status(self, instance: str, wanted: str) -> str:
        await self._handles[instance].wait_for_status(wanted)
        return self._handles[instance].status

    async def result(self, instance: str) -> Any:
        return await self._handles[instance].result()


class WorkerHarness:
    """A worker process; commands go through the journal, as those of operators do."""

    def __init__(self, deployment: Deployment, control: Control) -> None:
        self._deployment = deployment
        self._control = control
        self._keys: dict[str, InstanceKey] = {}

    async def start(self, workflow: type[Workflow], params: Any, instance: str) -> None:
        self._keys[instance] = InstanceKey(workflow.name, instance)
        await self._control.create(workflow.name, params, instance_id=instance)

    async def send(self, instance: str, command: str, **options: Any) -> None:
        await getattr(self._control, command)(self._keys[instance], **options)

    async def status(self, instance: str, wanted: str) -> str:
        return (await self._until(instance, wanted)).summary.status

    async def result(self, instance: str) -> Any:
        found = await self._until(instance, "complete")
        assert found.summary.status == "complete", found
        return found.output

    async def _until(self, instance: str, wanted: str) -> InstanceDetails:
        key = self._keys[instance]
        ledger = await self._deployment.until(
            lambda ledger: any(
                it.instance_id == instance and it.status in (wanted, *ENDED)
                for it in ledger.summaries(workflow=key.workflow)
            )
        )
        (found,) = ledger.details(key.workflow, instance)
        return found


@pytest.fixture(
    params=[
        "engine",
        pytest.param("embedded", marks=pytest.mark.slow),
        pytest.param("kafka", marks=[pytest.mark.slow, pytest.mark.kafka]),
    ]
)
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    if request.param == "engine":
        async with WorkflowTest(*SHARED) as test:
            yield EngineHarness(test)
    elif request.param == "kafka":
        async with worker_on(request.getfixturevalue("kafka_bootstrap"), tmp_path) as harness:
            yield harness
    else:
        async with worker_on(request.getfixturevalue("embedded_bootstrap"), tmp_path) as harness:
            yield harness


@pytest.fixture(scope="module")
def embedded_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    broker = BrokerProcess.create(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker.address
    broker.kill()


@asynccontextmanager
async def worker_on(bootstrap: str, folder: Path) -> AsyncIterator[WorkerHarness]:
    """A worker of its own with topics of its own."""
    flows = "tests.conformance.shared:shared"
    deployment = Deployment.create(folder, bootstrap, STEPWELL_WORKER_WORKFLOWS=flows)
    try:
        await ensure_topics(bootstrap, topics_of(deployment.settings.kafka).facts(), 1)
        await deployment.start_worker()
        async with open_control(deployment.settings) as control:
            yield WorkerHarness(deployment, control)
    finally:
        deployment.close()
