"""Giving partitions up: nothing of them runs any more when that is done."""

import asyncio

from stepwell.schemas import codec
from stepwell.schemas.journal import InstanceCreated, InstanceKey, OwnerReleased
from stepwell.streams import Step, Workflow, WorkflowEvent, Workflows
from stepwell.streams.agents.instances import Instances
from stepwell.streams.agents.records import RawRecord
from stepwell.streams.runtime.admission import Gate
from stepwell.streams.runtime.bodies import StepBodies
from stepwell.streams.runtime.clock import system_clock
from stepwell.streams.runtime.surroundings import Surroundings
from tests.simulation.world import Durable, SimulatedRows

KEY = InstanceKey("slow", "one")


class Slow(Workflow, name="slow"):
    """One body that takes some turns of the loop to end when it is cancelled."""

    async def run(self, event: WorkflowEvent[None], step: Step) -> None:
        await step.do("body", self.env.body)


class Bench:
    """One owned partition whose journal is read back at once."""

    def __init__(self) -> None:
        self.started, self.ended = asyncio.Event(), False
        self.appended: list[tuple[bytes, bytes]] = []
        self.bodies = StepBodies(system_clock)
        loop = asyncio.get_running_loop()
        around = Surroundings(
            append=lambda _partition, key, value: self.appended.append((key, value)),
            append_instance=lambda key, value: self.appended.append((key, value)),
            bodies=self.bodies,
            call_soon=loop.call_soon,
            call_later=lambda ms, function: loop.call_later(ms / 1000, function),
            workflow=Workflows([(Slow, self)]).create,
            clock=system_clock,
            observe=lambda _key, _record, _verdict: None,
            worker="bench",
            gate=Gate(10, system_clock, lambda ms, function: loop.call_later(ms / 1000, function)),
        )
        rows = SimulatedRows(Durable())
        self.instances = Instances(lambda _: rows, self.bodies, around, lambda _r, _f: None)

    async def body(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            self.ended = True

    def read(self, offset: int, key: bytes, value: bytes) -> None:
        self.instances.handle(RawRecord("journal", 0, offset, 0, key, value))


async def test_bodies_have_ended_when_their_partition_is_given_up() -> None:
    bench = Bench()
    bench.instances.recovered([0])
    bench.read(0, *bench.appended.pop())
    bench.read(1, KEY.encode(), codec.encode(InstanceCreated(None, 0)))
    await bench.started.wait()
    await bench.instances.revoke([0])
    assert bench.ended
    ((_, released),) = bench.appended
    assert isinstance(codec.decode(released), OwnerReleased)
    assert bench.bodies.running == 0
