"""The owner of a partition: what it does with code that changed, and with records it cannot use."""

import pytest

from stepwell.schemas import codec
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.streams import Step, Workflow, WorkflowEvent
from stepwell.streams.engine.state import Status
from tests.simulation.world import World

KEY = InstanceKey("flow", "one")


def value(number: int) -> int:
    return number


class Flow(Workflow):
    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        first = await step.do("first", value, 1)
        return first + await step.do("second", value, 2)


class Renamed(Workflow):
    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        return await step.do("uno", value, 1)


def started(**workflows: type[Workflow]) -> World:
    world = World(1, {"flow": Flow, **workflows}, bodies_fail=0)
    world.durable.journal.append((KEY.encode(), codec.encode(InstanceCreated(0, 0))))
    return world


def finish_first_step(world: World) -> None:
    worker = world.workers[-1]
    worker.send()  # its claim
    while worker.position < len(world.durable.journal):
        worker.read()
    worker.run_body()
    worker.send()


def status(world: World) -> Status:
    return world.reference().states[KEY].status


def test_code_that_contradicts_the_history_pauses_the_instance_and_says_what_it_found() -> None:
    world = started()
    finish_first_step(world)
    world.workflows["flow"] = Renamed
    world.crash()
    world.settle()
    assert status(world) is Status.PAUSED
    (paused,) = [r for r in world.reference().accepted[KEY] if type(r).__name__ == "InstancePaused"]
    assert paused.reason == "diverged"
    assert paused.detail == "the code waits for step 'uno-1', the history holds step 'first-1'"


def test_a_paused_instance_goes_on_by_itself_when_the_code_agrees_again() -> None:
    world = started()
    finish_first_step(world)
    world.workflows["flow"] = Renamed
    world.crash()
    world.settle()
    world.workflows["flow"] = Flow
    world.crash()
    world.settle()
    assert status(world) is Status.COMPLETE
    assert [str(step) for _, step in world.bodies_run] == ["first-1", "second-1"]


def test_an_instance_of_an_unknown_workflow_waits_for_a_worker_that_knows_it() -> None:
    world = started()
    del world.workflows["flow"]
    world.settle()
    assert status(world) is Status.PAUSED
    world.workflows["flow"] = Flow
    world.crash()
    world.settle()
    assert status(world) is Status.COMPLETE


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        (b"flow/one", b"not a record"),
        (b"no-slash", codec.encode(InstanceCreated(0, 0))),
        (b"", b""),
    ],
)
def test_a_record_that_is_none_is_refused_before_anything_changes(key: bytes, raw: bytes) -> None:
    world = started()
    owner = world.workers[-1].owner
    with pytest.raises(JournalCorrupt):
        owner.handle(0, key, raw)
    assert owner.live == 0
    assert not any(world.workers[-1].rows.unacknowledged.values())
