"""Random programs under random schedules: every replay asks for the same, and ends the same."""

from random import Random
from typing import Any

import pytest

from stepwell.schemas import codec
from stepwell.schemas.commands import CancelRequested, EventReceived
from stepwell.schemas.journal import (
    AttemptFailed,
    InstanceCreated,
    InstanceKey,
    InstanceRecord,
    SleepStarted,
    StepFailed,
    StepSucceeded,
    TimerFired,
    WaitStarted,
    WaitTimedOut,
)
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.engine.effects import (
    CancelStep,
    Effect,
    Outcome,
    RunStep,
    SetTimer,
    StartSleep,
    StartWait,
)
from stepwell.streams.engine.execution import Execution
from stepwell.streams.engine.run import Run
from tests.engine.programs import program, workflow_of

BOOM = ErrorInfo("Boom", "")
RECORDS_MAX = 200
QUICK, ALL = 1_000, 10_000


class Schedule:
    """One program, live, under one schedule; all that it was given is kept."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.workflow = workflow_of(program(self.random))
        self.records: list[InstanceRecord] = []
        self.execution = self.new()
        self.execution.start()

    def new(self) -> Execution:
        created = InstanceCreated(None, at_ms=1)
        return Execution(self.workflow(), Run(InstanceKey("program", "one"), 1, created))

    def live(self) -> list[Effect]:
        """Run to the end, or as long as it may take."""
        for at_ms in range(2, RECORDS_MAX):
            open_effects = self.execution.outstanding()
            if isinstance(open_effects[-1], Outcome):
                break
            record: Any = codec.decode(codec.encode(self._next(open_effects, at_ms)))
            self.records.append(record)
            self.execution.deliver(record)
        return self.execution.outstanding()

    def _next(self, effects: list[Effect], at_ms: int) -> InstanceRecord:
        """What happens next: something that it waits for, or that somebody sends."""
        random = self.random
        chance = random.random()
        if chance < 0.01:
            return CancelRequested(at_ms)
        if chance < 0.2:
            return EventReceived("note", {"n": random.randrange(4)}, at_ms - random.randrange(2))
        effect = random.choice([it for it in effects if not isinstance(it, CancelStep)])
        name, occurrence = effect.key.name, effect.key.occurrence
        here = 1, name, occurrence
        match effect:
            case RunStep():
                result = random.randrange(100)
                if chance < 0.3:
                    return AttemptFailed(*here, effect.attempt, 0, 0, at_ms, BOOM, at_ms)
                if chance < 0.4:
                    return StepFailed(*here, effect.attempt, 0, 0, at_ms, BOOM)
                return StepSucceeded(*here, effect.attempt, 0, 0, at_ms, result)
            case StartSleep():
                return SleepStarted(*here, 0, at_ms, at_ms + 1, effect.call)
            case StartWait():
                match = dict(effect.match)
                return WaitStarted(*here, 0, at_ms, "note", match, at_ms + 1, effect.call)
            case SetTimer():
                kind = TimerFired if effect.key.kind == "sleep" else WaitTimedOut
                return kind(*here, 0, at_ms)
        raise AssertionError(effect)


def check(seed: int) -> None:
    """A replay of any beginning of the records, carried on, comes to the same."""
    schedule = Schedule(seed)
    end = schedule.live()
    whole = schedule.new()
    assert whole.replay(schedule.records) == end, f"seed {seed}: another end"
    assert whole.now_ms == schedule.execution.now_ms
    cut = schedule.random.randrange(len(schedule.records) + 1)
    resumed = schedule.new()
    resumed.replay(schedule.records[:cut])
    for record in schedule.records[cut:]:
        resumed.deliver(record)
    assert resumed.outstanding() == end, f"seed {seed}: another end after a crash at {cut}"
    for execution in (schedule.execution, whole, resumed):
        execution.close()


def test_1000_random_schedules_replay_to_the_same_steps_winners_and_output() -> None:
    for seed in range(QUICK):
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(QUICK, ALL, 1_000))
def test_9000_more(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 1_000):
        check(seed)


def test_the_schedules_reach_every_kind_of_end() -> None:
    ends = set()
    for seed in range(200):
        schedule = Schedule(seed)
        ends.add(type(schedule.live()[-1]).__name__)
        schedule.execution.close()
    assert {"Complete", "Fail", "Terminate"} <= ends
