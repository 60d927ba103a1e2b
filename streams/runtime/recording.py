"""The records that effects become."""

from stepwell.schemas.journal import (
    InstanceCompleted,
    InstanceContinued,
    InstanceErrored,
    InstanceRecord,
    InstanceTerminated,
    PatchMarked,
    SleepStarted,
    WaitStarted,
)
from stepwell.streams.engine.effects import (
    Complete,
    Continue,
    Effect,
    Fail,
    MarkPatch,
    StartSleep,
    StartWait,
    Terminate,
)
from stepwell.streams.engine.errors import ResultTooLarge
from stepwell.streams.engine.limits import RESULT_BYTES_MAX
from stepwell.streams.runtime.live import Live

EVENT_IDS_KEPT = 100
"""So many ids of events are remembered when a run continues as a new one."""


def record_of(effect: Effect, stamp: tuple[int, int, int], live: Live) -> InstanceRecord:
    """The record of an effect that is nothing but recorded; `stamp` is run, epoch and time."""
    run, epoch, now_ms = stamp
    match effect:
        case StartSleep(key=step, call=call):
            until_ms = effect.until_ms
            wake_at_ms = now_ms + effect.duration_ms if until_ms is None else until_ms
            return SleepStarted(run, step.name, step.occurrence, epoch, now_ms, wake_at_ms, call)
        case StartWait(key=step, call=call):
            return WaitStarted(
                run,
                step.name,
                step.occurrence,
                epoch,
                now_ms,
                effect.event_type,
                dict(effect.match),
                now_ms + effect.timeout_ms,
                call,
            )
        case MarkPatch():
            return PatchMarked(*stamp, effect.name, effect.call)
        case Complete():
            return InstanceCompleted(*stamp, effect.output)
        case Fail():
            return InstanceErrored(*stamp, effect.error, effect.rollback)
        case Terminate():
            return InstanceTerminated(*stamp, effect.reason, effect.rollback)
        case Continue():
            return _continued(effect, stamp, live)
    raise AssertionError(f"{type(effect).__name__} is carried out, not recorded")


def _continued(effect: Continue, stamp: tuple[int, int, int], live: Live) -> InstanceContinued:
    seen = live.event_offsets[: effect.seen]
    kept = [seen[number] for number in effect.kept]
    taken = [
        name
        for name, at in live.state.events.items()
        if at not in kept and at <= max(seen, default=-1)
    ]
    return InstanceContinued(
        *stamp, effect.params, seen[-1] if seen else -1, kept, taken[-EVENT_IDS_KEPT:]
    )


def fitting(raw: bytes) -> bytes:
    """An encoded record as it is; raises `ResultTooLarge` when the journal would not take it."""
    if len(raw) > RESULT_BYTES_MAX:
        raise ResultTooLarge(len(raw))
    return raw
