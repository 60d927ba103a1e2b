"""What the records of an instance say to readers: why it is as it is, and all about its run."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from stepwell.schemas.commands import PauseRequested, TerminateRequested
from stepwell.schemas.events import Json
from stepwell.schemas.journal import (
    InstanceCompleted,
    InstanceErrored,
    InstancePaused,
    InstanceQueued,
    InstanceRecord,
    InstanceTerminated,
)
from stepwell.schemas.parts import Rollback
from stepwell.streams.engine.fold import AS_REQUESTED
from stepwell.streams.engine.history import History
from stepwell.streams.engine.names import StepKey
from stepwell.streams.gateway.attempts import text_of
from stepwell.streams.gateway.timeline import Timeline
from stepwell.streams.views import InstanceDetails, InstanceSummary, RollbackView


class Child(NamedTuple):
    """A child of a run, the step that started it, and when."""

    step: StepKey
    key: str
    created_ms: int


def error_of(why: InstanceRecord | None) -> str | None:
    """The error that ended an instance; `why` is the record that brought about its status."""
    return text_of(why.error) if isinstance(why, InstanceErrored) else None


def reason_of(why: InstanceRecord | None, records: Sequence[InstanceRecord]) -> str | None:
    """Why it is queued, paused or terminated; `records` are those of its run."""
    match why:
        case InstancePaused(reason=reason) if reason == AS_REQUESTED:
            requests = (it for it in reversed(records) if isinstance(it, PauseRequested))
            return next((it.reason for it in requests if it.reason), AS_REQUESTED)
        case InstancePaused():
            return f"{why.reason}: {why.detail}" if why.detail else why.reason
        case InstanceQueued() | InstanceTerminated() | TerminateRequested() | PauseRequested():
            return why.reason or None
        case _:
            return None


def details_of(
    summary: InstanceSummary, history: History, children: Iterable[Child]
) -> InstanceDetails:
    """An instance with the steps of its present run."""
    state, created = history.state, history.created
    assert state is not None
    assert created is not None
    timeline, found = Timeline.of(history.records), tuple(children)
    for child in found:
        timeline.add_child(child.step, child.key, child.created_ms)
    over = state.status.terminal
    why = history.last if over else None
    return InstanceDetails(
        summary,
        created.params,
        _output(why),
        timeline.steps(over=over),
        run=state.run,
        lane=created.lane,
        error=why.error if isinstance(why, InstanceErrored) else None,
        rollback=_rollback(why),
        events=timeline.events(),
        parent=created.parent.key if created.parent else None,
        children=tuple(child.key for child in found),
        trace_id=created.trace.trace_id if created.trace else None,
        replay=created.replay,
        origin=created.origin,
        schedule=created.schedule,
        spans=timeline.spans(),
    )


def _output(why: InstanceRecord | None) -> Json:
    return why.output if isinstance(why, InstanceCompleted) else None


def _rollback(why: InstanceRecord | None) -> RollbackView | None:
    if not isinstance(why, InstanceErrored | InstanceTerminated) or why.rollback is None:
        return None
    found: Rollback = why.rollback
    return RollbackView("complete" if found.complete else "failed", found.error)
