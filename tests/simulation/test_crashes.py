"""Crash between any two records, any number of times: the same end, nothing finished runs again."""

import asyncio
from collections.abc import Callable

import pytest

from stepwell.schemas.journal import InstanceCompleted, InstanceKey
from stepwell.streams.engine.fold import Verdict
from stepwell.streams.engine.retry import Retries
from stepwell.streams.engine.state import Status
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent
from stepwell.streams.runtime import owner
from stepwell.streams.runtime.rows import load
from tests.simulation import world
from tests.simulation.world import World

SEEDS = 300
INSTANCES = 6
FOREVER = Retries(limit=1000, delay=0, backoff="constant")


def double(number: int) -> int:
    return number * 2


def add(left: int, right: int) -> int:
    return left + right


class Mixed(Workflow):
    """Sequence, gather and a task group, with repeated step names."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        value = event.payload
        for _ in range(3):
            value = await step.do("double", double, value, retries=FOREVER)
        left, right = await asyncio.gather(
            step.do("left", double, value, retries=FOREVER),
            step.do("right", add, value, 1, retries=FOREVER),
        )
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(step.do("fan", add, left, n, retries=FOREVER)) for n in range(3)
            ]
        return sum(task.result() for task in tasks) + right


def expected_output(number: int) -> int:
    value = number * 8
    return 3 * (value * 2) + 3 + value + 1


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instances are carried on in several turns, so that records come in between."""
    monkeypatch.setattr(owner, "CARRY_ON_AT_ONCE", 2)


def run_world(seed: int) -> World:
    simulated = World(seed, {"mixed": Mixed}, bodies_fail=0.1)
    for number in range(INSTANCES):
        for _ in range(simulated.random.randint(0, 60)):
            simulated.act()
        simulated.create(InstanceKey("mixed", f"i{number}"), number)
    for _ in range(400):
        simulated.act()
    simulated.settle()
    return simulated


@pytest.mark.parametrize("first_seed", range(0, SEEDS, 50))
def test_every_crash_schedule_ends_in_the_same_state(first_seed: int) -> None:
    check_seeds(range(first_seed, first_seed + 50))


def check_seeds(seeds: range) -> None:
    for seed in seeds:
        check(run_world(seed), seed)


def check(end: World, seed: int) -> None:
    reference = end.reference()
    for number in range(INSTANCES):
        key = InstanceKey("mixed", f"i{number}")
        state = reference.states[key]
        assert state.status is Status.COMPLETE, f"seed {seed}: {key} is {state.status}"
        completed = [r for r in reference.accepted[key] if isinstance(r, InstanceCompleted)]
        assert [r.output for r in completed] == [expected_output(number)], f"seed {seed}"
        rows = load(end.workers[-1].rows, key.encode())
        assert rows is not None
        assert rows.state == state, f"seed {seed}: rows of {key} differ from the journal"
        durable = {o: v for (k, o), v in end.durable.history.items() if k == key.encode()}
        assert len(durable) == len(reference.accepted[key]), f"seed {seed}: a row was lost"
    assert end.durable.committed == len(end.durable.journal), f"seed {seed}"


def test_the_schedules_reach_what_they_are_meant_to_test() -> None:
    """Zombies are fenced, steps finish twice, instances are created twice, work is redone."""
    seen: dict[Verdict, int] = dict.fromkeys(Verdict, 0)
    redone = 0
    for seed in range(40):
        simulated = run_world(seed)
        reference = simulated.reference()
        for verdict, count in reference.verdicts.items():
            seen[verdict] += count
        redone += len(simulated.bodies_run) - len(set(simulated.bodies_run))
    assert min(seen[Verdict.FENCED], seen[Verdict.DUPLICATE_INSTANCE], redone) > 0, dict(seen)


def no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims leave no epoch behind, so a zombie's records are taken."""
    monkeypatch.setattr(owner, "fold_claim", lambda _partition, _offset: False)


def no_waiting_for_the_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner starts work as soon as it has recovered, before it has read its claim back."""

    def start(self: owner.PartitionOwner) -> None:
        original(self)
        self._activate()

    original = owner.PartitionOwner.start
    monkeypatch.setattr(owner.PartitionOwner, "start", start)


def no_rewriting_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of accepted records are not written: only what the header says survives a crash."""
    monkeypatch.setattr(world.SimulatedRows, "put_history", lambda *_args: None)


@pytest.mark.parametrize("plant", [no_fence, no_waiting_for_the_claim, no_rewriting_of_rows])
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The suite can see: take one rule away and some schedule breaks a promise."""
    plant(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        check_seeds(range(SEEDS))
