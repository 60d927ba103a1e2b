"""Where the marked subset runs: on the engine alone; the worker's deployments come with markers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from stepwell.streams import Workflow
from stepwell.streams.testing import Handle, WorkflowTest
from tests.conformance.shared import SHARED


class EngineHarness:
    """The engine with no broker, in virtual time."""

    def __init__(self, test: WorkflowTest) -> None:
        self._test = test
        self._handles: dict[str, Handle] = {}

    async def start(self, workflow: type[Workflow], params: Any, instance: str) -> None:
        """Create an instance."""
        self._handles[instance] = await self._test.start(workflow, params, id=instance)

    async def send(self, instance: str, command: str, **options: Any) -> None:
        """Ask something of it, by the name of the method that a handle has for it."""
        await getattr(self._handles[instance], command)(**options)

    async def status(self, instance: str, wanted: str) -> str:
        """Its status once it is the wanted one, or has ended."""
        await self._handles[instance].wait_for_status(wanted)
        return self._handles[instance].status

    async def result(self, instance: str) -> Any:
        """What it returns."""
        return await self._handles[instance].result()


@pytest.fixture
async def harness() -> AsyncIterator[EngineHarness]:
    async with WorkflowTest(*SHARED) as test:
        yield EngineHarness(test)
