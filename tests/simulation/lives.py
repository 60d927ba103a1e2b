"""One simulated life: instances of every program, what is asked of them, faults; then rest."""

from random import Random

from stepwell.schemas.commands import (
    CancelRequested,
    Command,
    DeleteRequested,
    EventReceived,
    PauseRequested,
    RestartRequested,
    ResumeRequested,
    StepRef,
    TerminateRequested,
)
from stepwell.schemas.journal import InstanceKey
from tests.simulation import promises
from tests.simulation.programs import NOTE, PARAMS, PROGRAMS
from tests.simulation.world import World

STARTED = [name for name in PROGRAMS if name != "lonely"]
ACTIONS = 500
PARTITIONS = 2


def run_life(seed: int) -> World:
    """A life until it has come to rest; every promise is checked on the way and at the end."""
    world = World(seed, PROGRAMS, bodies_fail=0.1, partitions=PARTITIONS)
    undisturbed = disturb(world)
    settled_ms = world.now_ms
    world.settle(promises.resume_paused)
    promises.check_rows(world)
    promises.check_lifecycle(world)
    promises.check_memory(world)
    promises.check_instances(world, undisturbed, settled_ms)
    promises.check_purge(world)
    return world


def disturb(world: World) -> set[InstanceKey]:
    """Instances come, and much is asked of some; which ones were left alone."""
    random = world.random
    keys: list[InstanceKey] = []
    meddled: set[InstanceKey] = set()
    calm = random.random() < 0.3
    for number in range(8):
        name = random.choice(STARTED)
        keys.append(InstanceKey(name, "i" * (number + 1)))
    starts = sorted(random.randrange(ACTIONS // 2) for _ in keys)
    for turn in range(ACTIONS):
        while starts and starts[0] <= turn:
            starts.pop(0)
            key = keys[len(keys) - len(starts) - 1]
            world.create(key, PARAMS.get(key.workflow, len(key.instance)))
        key = random.choice(keys)
        if random.random() < 0.04:
            note = EventReceived(NOTE, {"id": turn}, world.now_ms, f"note-{turn}")
            world.append(key, note, random.choice((1, 1, 2)))
        elif not calm and random.random() < 0.02:
            meddled.add(key)
            world.append(key, any_command(random, world.now_ms), random.choice((1, 1, 1, 2)))
        world.act()
    return set(keys) - meddled


def any_command(random: Random, now_ms: int) -> Command:
    """Something that somebody asks."""
    step = StepRef(random.choice(("double", "work", "a", "b", "first")))
    return random.choice(
        (
            PauseRequested(now_ms),
            PauseRequested(now_ms),
            ResumeRequested(now_ms),
            CancelRequested(now_ms),
            TerminateRequested(now_ms),
            TerminateRequested(now_ms, rollback=True),
            RestartRequested(now_ms),
            RestartRequested(now_ms, from_step=step),
            DeleteRequested(now_ms),
        )
    )
