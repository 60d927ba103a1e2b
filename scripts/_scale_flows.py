"""The workflows of `bench_scale`, carried by workers that are processes of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from stepwell.streams import Step, Workflow, WorkflowEvent, Workflows
from stepwell.streams.settings import Settings


class Nap(Workflow, name="nap"):
    """Sleeps until the time in its parameters, in milliseconds."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> None:
        """Sleep."""
        await step.sleep_until("nap", datetime.fromtimestamp(event.payload / 1000, tz=UTC))


class Long(Workflow, name="long"):
    """As many steps as its parameters say, one after the other; then it waits to be told to end."""

    steps_max = 1_000_000

    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        """Count."""
        number = 0
        for _ in range(event.payload):
            number = await step.do("increment", increment, number)
        await step.wait_for_event("end", type="end")
        return number


async def increment(number: int) -> int:
    """A trivial step."""
    return number + 1


@asynccontextmanager
async def flows(_settings: Settings) -> AsyncIterator[Workflows]:
    """What the workers carry."""
    yield Workflows([(Nap, None), (Long, None)])
