"""What the carrier does when records cross on their way, and what it keeps in memory."""

from typing import Any

from stepwell.schemas.commands import (
    CancelRequested,
    EventReceived,
    PauseRequested,
    ResumeRequested,
)
from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.streams.engine.places import Places
from stepwell.streams.engine.retry import Retries
from stepwell.streams.engine.state import Status
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent
from stepwell.streams.runtime.rows import Header
from tests.simulation.world import World

ONE = InstanceKey("flow", "one")


def fine() -> str:
    return "fine"


class Twice:
    """A body whose first attempt fails."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls == 1:
            raise ConnectionError
        return "fine"


def world_of(run: Any, **attributes: Any) -> World:
    class Flow(Workflow, name="flow"):
        places = attributes.get("places")

        async def run(self, event: WorkflowEvent[Any], step: Step) -> Any:
            return await run(step)

    return World(1, {"flow": Flow})


def create(world: World, *names: str) -> None:
    for name in names:
        world.append(InstanceKey("flow", name), InstanceCreated(None, world.now_ms))


def step_by_step(world: World) -> None:
    """Everything that can happen happens, except that bodies run and time passes."""
    worker = world.workers[-1]
    while busy := [it for it in worker.actions() if it != worker.run_body]:
        busy[0]()


def status(world: World, name: str = "one") -> Status:
    return world.reference().states[InstanceKey("flow", name)].status


def test_a_retry_that_is_under_way_is_not_started_again_by_a_resumption() -> None:
    body = Twice()

    async def run(step: Step) -> Any:
        return await step.do("body", body, retries=Retries(limit=3, delay=0))

    world = world_of(run)
    create(world, "one")
    step_by_step(world)
    world.workers[-1].run_body()
    step_by_step(world)
    world.append(ONE, PauseRequested(0))
    world.append(ONE, ResumeRequested(0))
    step_by_step(world)
    world.settle()
    assert (status(world), body.calls) == (Status.COMPLETE, 2)


def test_who_was_cancelled_while_it_stood_in_line_tidies_up_all_the_same() -> None:
    tidied = []

    async def run(step: Step) -> Any:
        try:
            await step.do("body", fine)
        finally:
            await step.do("tidy", tidied.append, 1)

    world = world_of(run, places=Places(running_max=1))
    create(world, "one", "two")
    step_by_step(world)
    queued = next(name for name in ("one", "two") if status(world, name) is Status.QUEUED)
    world.append(InstanceKey("flow", queued), CancelRequested(0))
    step_by_step(world)
    world.settle()
    assert sorted([status(world, "one"), status(world, "two")]) == ["complete", "terminated"]
    assert len(tidied) == 2


def test_a_pause_and_a_resumption_keep_the_turn_in_line() -> None:
    async def run(step: Step) -> Any:
        return await step.do("body", fine)

    world = world_of(run, places=Places(running_max=1))
    create(world, "one", "two")
    step_by_step(world)
    for name in ("one", "two"):
        world.append(InstanceKey("flow", name), PauseRequested(0))
        world.append(InstanceKey("flow", name), ResumeRequested(0))
    step_by_step(world)
    world.settle()
    assert {status(world, "one"), status(world, "two")} == {Status.COMPLETE}


def test_who_was_woken_for_nothing_is_forgotten_again() -> None:
    """Its event had come before the end of the wait; the row of the wait remembers that end."""

    async def run(step: Step) -> Any:
        await step.wait_for_event("go", type="go", timeout="1 minute")
        await step.sleep("long", "1 hour")

    world = world_of(run)
    create(world, "one", "two", "three")
    step_by_step(world)
    for name in ("one", "two", "three"):
        world.append(InstanceKey("flow", name), EventReceived("go", None, 0))
    step_by_step(world)
    world.crash()
    step_by_step(world)
    worker = world.workers[-1]
    while world.now_ms < 120_000:
        world.now_ms += 30_000
        worker.ring()
        step_by_step(world)
    assert len(worker.owner.carrier) <= 1  # in_memory_max of the simulation
    world.settle()
    assert status(world, "one") is Status.COMPLETE


def test_a_header_without_history_is_removed_instead_of_ending_every_worker() -> None:
    async def run(step: Step) -> Any:
        return await step.do("body", fine)

    world = world_of(run)
    for state in set(Status) - {Status.PAUSED}:  # nobody looks at what is paused
        key = f"flow/ghost-{state}".lower().encode()
        is_running = state in (Status.RUNNING, Status.WAITING_FOR_PAUSE)
        header = Header(state, 1, 1, wake_at_ms=None if is_running else 5)
        world.durable.headers[key] = header.encode()
    world.crash()
    create(world, "one")
    world.settle()
    for _ in range(3):
        world.pass_time()
        step_by_step(world)
    assert status(world) is Status.COMPLETE
    world.settle()
    assert set(world.durable.headers) == {b"flow/one"}
