"""Lifecycle records that cross on their way: what was asked for last is what holds."""

from typing import Any

import pytest

from stepwell.schemas.commands import (
    CancelRequested,
    EventReceived,
    PauseRequested,
    RestartRequested,
    ResumeRequested,
    TerminateRequested,
)
from stepwell.schemas.journal import (
    ChildReported,
    Entry,
    InstanceContinued,
    InstanceCreated,
    InstanceIdled,
    InstanceKey,
    InstancePaused,
    InstanceQueued,
    InstanceRecord,
    InstanceStarted,
    TimerFired,
)
from stepwell.schemas.parts import Parent
from stepwell.streams.engine.effects import CancelStep, Continue
from stepwell.streams.engine.execution import Execution
from stepwell.streams.engine.fold import AS_REQUESTED, Verdict, fold, refold
from stepwell.streams.engine.history import History
from stepwell.streams.engine.run import Run
from stepwell.streams.engine.state import InstanceState, PartitionState, Status
from tests.engine.scenario import Scenario

CREATED = InstanceCreated({"first": True}, 0)


class Journal:
    """The records of one instance, as they are judged one after the other."""

    def __init__(self, *records: InstanceRecord) -> None:
        self.state: InstanceState | None = None
        self.verdicts: list[Verdict] = []
        self.history = History()
        self.partition = PartitionState(epoch=0)
        for offset, record in enumerate(records, start=1):
            folded = fold(self.partition, self.state, Entry(offset, record))
            self.state = folded.state
            self.verdicts.append(folded.verdict)
            if folded.verdict is Verdict.ACCEPTED:
                self.history.take(Entry(offset, record))

    @property
    def status(self) -> Status | None:
        return self.state.status if self.state else None


def paused(run: int = 1, reason: str = AS_REQUESTED) -> InstancePaused:
    return InstancePaused(run, 0, 0, reason, "")


def test_a_resumption_revokes_a_pause_that_was_on_its_way() -> None:
    journal = Journal(CREATED, PauseRequested(0), ResumeRequested(0), paused())
    assert journal.verdicts[-1] is Verdict.NO_EFFECT
    assert journal.status is Status.RUNNING


def test_a_pause_for_another_reason_holds_whatever_the_status() -> None:
    assert Journal(CREATED, paused(reason="diverged")).status is Status.PAUSED


def test_a_run_that_is_to_pause_does_not_continue_as_another_one() -> None:
    for pause in ((), (paused(),)):
        journal = Journal(CREATED, PauseRequested(0), *pause, InstanceContinued(1, 0, 0, {}))
        assert journal.verdicts[-1] is Verdict.NO_EFFECT
        assert journal.status is (Status.PAUSED if pause else Status.WAITING_FOR_PAUSE)


def test_a_row_left_over_from_the_run_before_does_not_pause_this_one() -> None:
    state = refold(None, Entry(1, CREATED))
    for offset, record in ((2, PauseRequested(0)), (9, InstanceContinued(1, 0, 0, {}))):
        state = refold(state, Entry(offset, record))
    assert state is not None
    assert state.status is Status.RUNNING


def test_a_queued_instance_that_only_waits_is_shown_as_waiting() -> None:
    journal = Journal(CREATED, InstanceQueued(1, 0, 0, "full"), InstanceIdled(1, 0, 0, after=1))
    assert journal.status is Status.WAITING


def test_a_run_is_cancelled_once() -> None:
    journal = Journal(
        CREATED,
        CancelRequested(0),
        CancelRequested(0),
        InstanceContinued(1, 0, 0, {}),
        CancelRequested(0),
    )
    accepted, no_effect = Verdict.ACCEPTED, Verdict.NO_EFFECT
    assert journal.verdicts[1:] == [accepted, no_effect, accepted, accepted]


def test_a_debounced_instance_that_has_begun_is_not_replaced_by_the_next_one() -> None:
    created = InstanceCreated({}, 0, debounce_ms=10)
    for begin in (InstanceStarted(1, 0, 0), CancelRequested(0)):
        journal = Journal(created, begin, created)
        assert journal.state is not None
        assert (journal.state.run, journal.state.pending) == (1, 3)


FIRST, SECOND = (InstanceCreated({"n": n}, 0, debounce_ms=10) for n in (1, 2))
STARTED, RESTART = InstanceStarted(1, 0, 0), RestartRequested(0)


@pytest.mark.parametrize(
    "records",
    [
        (FIRST, STARTED, SECOND, RESTART),
        (FIRST, STARTED, SECOND, InstanceContinued(1, 0, 0, {})),
        (FIRST, STARTED, InstanceContinued(1, 0, 0, {}), SECOND, RESTART),
        (FIRST, TerminateRequested(0), RESTART, SECOND, RESTART),
    ],
)
def test_the_rows_that_a_debounced_instance_keeps_tell_what_waits_behind_it(
    records: tuple[InstanceRecord, ...],
) -> None:
    journal = Journal(*records)
    kept = History()
    for offset, record in enumerate(records, 1):
        if offset in journal.history.offsets:
            kept.take(Entry(offset, record))
    assert kept.state == journal.state
    assert kept.created == journal.history.created


def test_events_pass_into_the_next_run_unless_they_were_taken() -> None:
    journal = Journal(
        CREATED,
        EventReceived("go", 1, 0, "e1"),
        EventReceived("go", 2, 0, "e2"),
        InstanceContinued(1, 0, 0, {}, seen=3, kept=[3], event_ids=["e1"]),
        EventReceived("go", 1, 0, "e1"),
        EventReceived("go", 2, 0, "e2"),
        EventReceived("go", 3, 0, "e3"),
    )
    events = [it.payload for it in journal.history.records if isinstance(it, EventReceived)]
    assert events == [2, 3]
    assert journal.verdicts[4:] == [Verdict.DUPLICATE_EVENT] * 2 + [Verdict.ACCEPTED]


def test_a_continued_instance_restarts_with_the_parameters_of_its_creation() -> None:
    journal = Journal(CREATED, InstanceContinued(1, 0, 0, {"second": True}), RestartRequested(0))
    assert journal.history.created == CREATED


def test_rows_left_over_from_a_deleted_instance_count_for_nothing() -> None:
    old = refold(None, Entry(1, CREATED))
    again = refold(old, Entry(9, CREATED))
    assert again is not None
    assert (again.run, again.pending) == (9, None)


async def continues(event: Any, step: Any) -> None:
    first = await step.wait_for_event("first", type="go")
    step.continue_as_new(first.payload)


async def test_a_run_says_which_events_it_leaves() -> None:
    scenario = Scenario(continues)
    for number in (1, 2):
        scenario.take(EventReceived("go", number, 0))  # type: ignore[arg-type]
    assert scenario.execution.outstanding() == [Continue(1, seen=1, kept=())]


async def gives_up(event: Any, step: Any) -> Any:
    await step.race(step.sleep("nap", 10), step.child("child", "other"))
    await step.wait_for_event("rest", type="rest")


async def test_a_child_that_was_given_up_is_cancelled_again_until_it_has_reported() -> None:
    created = InstanceCreated(None, 0)
    run = Run(InstanceKey("told", "one"), 1, created)
    workflow = Scenario(gives_up)._workflow
    from_journal = Execution(workflow(), run)
    fired = TimerFired(1, "nap", 1, 0, 10)
    effects = from_journal.replay([fired])
    (cancel,) = [it for it in effects if isinstance(it, CancelStep)]
    assert cancel.child is not None
    report = ChildReported(1, "child", 1, 2, 20, "other/x", "terminated")
    from_journal.deliver(report)
    assert not any(isinstance(it, CancelStep) for it in from_journal.outstanding())


async def detaches(event: Any, step: Any) -> Any:
    await step.race(step.sleep("nap", 10), step.child("child", "other", detach=True))


def test_a_parent_cancels_its_own_children_only() -> None:
    parent = Parent("parent/one", 1, "child", 1, 1, awaited=True)
    child = InstanceCreated(None, 0, parent=parent)
    stranger, own = CancelRequested(0, parent="other/two"), CancelRequested(0, parent=parent.key)
    assert Journal(child, stranger, own).verdicts[1:] == [Verdict.NO_EFFECT, Verdict.ACCEPTED]
    assert Journal(CREATED, own).verdicts[1:] == [Verdict.NO_EFFECT]


async def test_a_detached_child_is_never_cancelled() -> None:
    scenario = Scenario(detaches)
    scenario.take(TimerFired(1, "nap", 1, 0, 10))  # type: ignore[arg-type]
    assert [it.child for it in scenario.effects if isinstance(it, CancelStep)] == [None]


async def tells_time(event: Any, step: Any) -> str:
    await step.wait_for_event("go", type="go")
    return str(step.now())


async def test_now_is_the_same_in_a_replay_when_clocks_differ() -> None:
    """Records that no carried instance is given must not move its time in a replay either."""
    event = EventReceived("go", None, 2_000)
    live = Scenario(tells_time)
    live.take(event)  # type: ignore[arg-type]
    between = [PauseRequested(9_000), ResumeRequested(9_000), InstanceIdled(1, 0, 9_000, after=1)]
    again = live._new()
    assert again.replay([*between, event]) == live.effects
