"""Instances that only stand in line are not in memory, and still get their turn."""

import asyncio
from typing import Any

from stepwell.streams import Places, Step, Workflow, WorkflowEvent
from stepwell.streams.testing import WorkflowTest

INSTANCES = 20


class OneAtATime(Workflow, name="one-at-a-time"):
    """One body at a time, each until it is let go."""

    places = Places(running_max=1)

    async def run(self, event: WorkflowEvent[int], step: Step) -> Any:
        return await step.do("body", self.body, event.payload)

    async def body(self, number: int) -> int:
        await self.env.wait()
        return number


async def test_those_in_line_leave_the_memory_and_all_get_their_turn() -> None:
    go = asyncio.Event()
    async with WorkflowTest((OneAtATime, go)) as test:
        handles = [await test.start(OneAtATime, number) for number in range(INSTANCES)]
        await handles[0].wait_for_status("running")
        for handle in handles[1:]:
            await handle.wait_for_status("queued")
        await test.advance("1 second", wait_for_bodies=False)  # until all of it has been read
        assert len(test._world.worker.owner.carrier) == 1
        go.set()
        assert [await handle.result() for handle in handles] == list(range(INSTANCES))
