"""Crash between any two records, any number of times: the same end, nothing finished runs again."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from stepwell.schemas.commands import EventReceived
from stepwell.schemas.journal import AttemptStarted, InstanceQueued, InstanceRecord
from stepwell.streams.engine.execution import Execution
from stepwell.streams.engine.fold import Verdict
from stepwell.streams.engine.mailbox import Mailbox
from stepwell.streams.engine.names import StepKey
from stepwell.streams.runtime import claims, kin, owner, retelling
from stepwell.streams.runtime.alarms import Alarms
from stepwell.streams.runtime.starts import Starts
from tests.simulation.lives import run_life

SEEDS = 300
PLANTED_SEEDS = 1_000
FAILURES = (AssertionError, KeyError, StopIteration)


@pytest.mark.parametrize(
    "first_seed",
    [
        pytest.param(first, marks=[pytest.mark.slow] if first else [])
        for first in range(0, SEEDS, 50)
    ],
)
def test_every_crash_schedule_ends_as_if_nothing_had_happened(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 50):
        run_seed(seed)


def run_lives(count: int) -> None:
    for seed in range(count):
        run_life(seed)


def run_seed(seed: int) -> None:
    try:
        run_life(seed)
    except FAILURES as broken:
        broken.add_note(f"seed {seed}")
        raise


def test_the_schedules_reach_what_they_are_meant_to_test() -> None:
    """Zombies are fenced, records come twice, work is redone, suspects run alone."""
    verdicts: Counter[Verdict] = Counter()
    kinds: Counter[type[InstanceRecord]] = Counter()
    redone = 0
    for seed in range(30):
        world = run_life(seed)
        for reference in world.references():
            verdicts.update(reference.verdicts)
            for records in reference.gone:
                kinds.update(type(record) for record in records)
        redone += len(world.bodies_run) - len(set(world.bodies_run))
    unseen = set(Verdict) - verdicts.keys() - {Verdict.REDELIVERED, Verdict.LATE_ATTEMPT}
    assert not unseen, f"never happened: {unseen}"
    assert min(redone, kinds[AttemptStarted], kinds[InstanceQueued]) > 0


# --- planted bugs: take one rule away, and some schedule breaks a promise -----------------------


def no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims leave no epoch behind, so a zombie's records are taken."""
    monkeypatch.setattr(claims, "fold_claim", lambda _partition, _offset: False)


def no_waiting_for_the_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner starts work as soon as it has recovered, before it has read its claim back."""
    original = owner.PartitionOwner.start

    def start(self: owner.PartitionOwner) -> None:
        original(self)
        self.phase = owner.Phase.ACTIVE
        self.carrier.begin(self._claims.partition.epoch, ())
        self._begin_sweep(self._activate)

    monkeypatch.setattr(owner.PartitionOwner, "start", start)


def no_rewriting_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of redelivered records are not written again: the changelog may lack them."""
    monkeypatch.setattr(owner.PartitionOwner, "_rewrite", rewrite_nothing)


def rewrite_nothing(self: owner.PartitionOwner, offset: int, key: bytes, _record: Any) -> bool:
    return self._rows.history_row(key, offset) is not None


def no_retelling(monkeypatch: pytest.MonkeyPatch) -> None:
    """What redelivered records had changed is not announced again."""
    monkeypatch.setattr(retelling.Retelling, "tell", lambda *_args: None)


def a_forgotten_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """One alarm in ten is not set."""
    original, count = Alarms.set, iter(range(10**9))

    def forgetful(self: Alarms, at_ms: int, key: bytes, step: StepKey | None = None) -> None:
        if next(count) % 10:
            original(self, at_ms, key, step)

    monkeypatch.setattr(Alarms, "set", forgetful)


def an_event_delivered_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that a wait has got is kept for the next one too."""
    original = Mailbox.offer

    def twice(self: Mailbox[Any], event: EventReceived) -> Any:
        found = original(self, event)
        if found is not None:
            self.kept.append(event)
            self._numbers.append(self._offered - 1)
        return found

    monkeypatch.setattr(Mailbox, "offer", twice)


def no_report_to_a_parent_that_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks again for a child that has ended hears nothing."""
    monkeypatch.setattr(kin.Kin, "refused", lambda *_args: None)
    monkeypatch.setattr(owner.PartitionOwner, "_rewrite", rewrite_nothing)


def a_body_starts_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance is rung as soon as its alarm is set."""
    original = Alarms.set

    def hasty(self: Alarms, at_ms: int, key: bytes, step: StepKey | None = None) -> None:
        original(self, at_ms, key, step)
        self._ring((at_ms, key, step))

    monkeypatch.setattr(Alarms, "set", hasty)
    monkeypatch.setattr(Execution, "due_ms", lambda _self, _step: 0)


def a_body_is_started_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that is under way is submitted again when everything is asked for again."""
    original = Starts.submit

    def forgetful(self: Starts, live: Any, step: Any) -> None:
        live.submitted.clear()
        original(self, live, step)

    monkeypatch.setattr(Starts, "submit", forgetful)


@pytest.mark.parametrize(
    "plant",
    [
        no_fence,
        no_waiting_for_the_claim,
        no_rewriting_of_rows,
        no_retelling,
        a_forgotten_alarm,
        an_event_delivered_twice,
        no_report_to_a_parent_that_asks_again,
        a_body_starts_before_its_time,
        a_body_is_started_twice,
    ],
)
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(FAILURES):
        run_lives(PLANTED_SEEDS)
