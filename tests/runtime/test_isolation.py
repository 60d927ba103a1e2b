"""A body that takes its worker down is found, and its innocent neighbours get done."""

from functools import partial
from typing import Any

from stepwell.schemas import codec
from stepwell.schemas.commands import ResumeRequested
from stepwell.schemas.journal import AttemptStarted, InstanceCreated, InstanceKey, InstancePaused
from stepwell.streams.engine.retry import Retries
from stepwell.streams.engine.state import Status
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent
from stepwell.streams.runtime.isolation import ISOLATED_MS_MAX, Isolation
from tests.simulation.world import World

KILLER = InstanceKey("killer", "one")
NEIGHBOURS = [InstanceKey("gentle", f"n{number}") for number in range(3)]
CRASHES_MAX = 20


class WorkerDied(BaseException):
    """What a segmentation fault is to the simulation."""


def kill() -> None:
    raise WorkerDied


def fine() -> str:
    return "fine"


class Killer(Workflow):
    """Its second step takes the whole process down."""

    async def run(self, event: WorkflowEvent[Any], step: Step) -> Any:
        await step.do("before", fine, retries=Retries(limit=0))
        return await step.do("kill", kill)


class Gentle(Workflow):
    """Two steps at a time, and one after them."""

    async def run(self, event: WorkflowEvent[Any], step: Step) -> Any:
        await step.map("both", str, [1, 2])
        return await step.do("last", fine)


class Mended(Workflow, name="killer"):
    """That of a later release, which kills nobody."""

    async def run(self, event: WorkflowEvent[Any], step: Step) -> Any:
        await step.do("before", fine)
        return await step.do("kill", fine)


def deployment(seed: int) -> World:
    world = World(seed, {"killer": Killer, "gentle": Gentle})
    for key in (KILLER, *NEIGHBOURS):
        world.append(key, InstanceCreated(None, 0))
    return world


def run(world: World) -> int:
    """Workers are started again until all is at rest; how many died."""
    for died in range(CRASHES_MAX):
        try:
            world.settle()
        except WorkerDied:
            world.crash()
        else:
            return died
    raise AssertionError("it kills one worker after the other")


def status(world: World, key: InstanceKey) -> Status:
    return world.reference().states[key].status


def test_whoever_kills_its_worker_is_quarantined_after_a_few_deaths_and_the_others_get_done() -> (
    None
):
    for seed in range(10):
        world = deployment(seed)
        died = run(world)
        assert died <= 8
        (paused,) = [r for r in world.reference().accepted[KILLER] if isinstance(r, InstancePaused)]
        assert paused.reason == "quarantined"
        assert "step kill-1 has taken its worker down" in paused.detail
        assert {status(world, key) for key in NEIGHBOURS} == {Status.COMPLETE}
        assert status(world, KILLER) is Status.PAUSED


def test_a_suspect_runs_alone_and_its_start_is_on_record_before() -> None:
    world = deployment(0)
    run(world)
    starts = [codec.decode(value) for _, value in world.durable.journal]
    steps = [record.step for record in starts if isinstance(record, AttemptStarted)]
    assert steps.count("kill") == 3


def test_resume_tries_it_again() -> None:
    world = deployment(1)
    run(world)
    world.append(KILLER, ResumeRequested(world.now_ms))
    assert 1 <= run(world) <= 8
    assert status(world, KILLER) is Status.PAUSED
    world.workflows["killer"] = Mended
    world.append(KILLER, ResumeRequested(world.now_ms))
    assert run(world) == 0
    assert status(world, KILLER) is Status.COMPLETE


def test_workers_that_give_their_partition_up_are_not_counted_as_dead() -> None:
    world = deployment(2)
    world.workflows["killer"] = Mended
    for _ in range(10):
        world.workers[-1].release()
        world.crash()
    world.settle()
    assert status(world, KILLER) is Status.COMPLETE
    kinds = {type(codec.decode(value)) for _, value in world.durable.journal}
    assert AttemptStarted not in kinds


class Suspects:
    """Some that want to run, and which of them were started, alone or not."""

    def __init__(self, count: int) -> None:
        self.isolation = Isolation()
        self.started: list[tuple[int, bool]] = []
        for number in range(count):
            start = partial(self._start, number)
            self.isolation.enter(number, start, now_ms=0)

    def _start(self, number: int, is_alone: bool) -> None:
        self.started.append((number, is_alone))


def test_the_first_suspect_runs_alone_and_each_that_survives_lets_one_more_run() -> None:
    suspects = Suspects(10)
    assert suspects.started == [(0, True)]
    suspects.isolation.leave(0, now_ms=10)
    assert suspects.started[1:] == [(1, True), (2, False)]
    suspects.isolation.leave(2, now_ms=20)
    assert suspects.started[3:] == [(3, False), (4, False)]


def test_who_was_alone_when_a_worker_died_lets_others_go_first() -> None:
    isolation, started = Isolation(), []
    for number, deaths in enumerate((2, 1, 0, 0)):
        start = partial(lambda number, _is_alone: started.append(number), number)
        isolation.enter(number, start, 0, deaths)
    assert started == [2]
    for number in (2, 3, 1):
        isolation.leave(number, now_ms=10)
    assert started == [2, 3, 1, 0]


def test_the_only_suspect_need_not_wait_for_others() -> None:
    isolation, started = Isolation(), []
    isolation.enter("it", started.append, 0, 2)
    assert started == []
    isolation.tick(now_ms=1_000)
    assert started == [True]


def test_a_slow_suspect_holds_the_others_up_for_a_minute_only() -> None:
    suspects = Suspects(3)
    suspects.isolation.tick(now_ms=ISOLATED_MS_MAX)
    assert [number for number, _ in suspects.started] == [0, 1, 2]


def test_one_that_leaves_as_soon_as_it_is_started_makes_room_for_the_next() -> None:
    isolation, started = Isolation(), []

    def start(number: int, _is_alone: bool) -> None:
        started.append(number)
        isolation.leave(number, now_ms=0)

    for number in range(5_000):
        isolation.enter(number, partial(start, number), now_ms=0)
    assert started == list(range(5_000))
