"""What the header row of an instance must say."""

from stepwell.schemas.journal import InstanceCreated, InstanceKey, InstancePaused
from stepwell.streams.engine.history import History
from stepwell.streams.engine.state import InstanceState, Status
from stepwell.streams.runtime.rows import Header
from stepwell.streams.runtime.surroundings import Surroundings


def header_of(key: bytes, history: History, around: Surroundings) -> Header:
    """The header of an instance that nobody carries, from its history alone."""
    state, created = history.state, history.created
    assert state is not None
    assert created is not None
    if state.status is Status.WAITING:
        wake_at_ms = history.earliest_wake_ms()
    else:
        wake_at_ms = rests_until_ms(key, state, created, history.last.at_ms, around)
    pauses = (it for it in reversed(history.records) if isinstance(it, InstancePaused))
    paused = next(pauses, None) if state.status is Status.PAUSED else None
    return Header.of(state, wake_at_ms, paused.reason if paused else "")


def rests_until_ms(
    key: bytes, state: InstanceState, created: InstanceCreated, at_ms: int, around: Surroundings
) -> int | None:
    """When a debounced instance starts, or one that ended at `at_ms` is purged; None: it runs."""
    if state.debounced and state.status is Status.QUEUED:
        return created.at_ms + created.debounce_ms
    if not state.status.terminal:
        return None
    workflow = around.workflow(InstanceKey.decode(key).workflow)
    kept = created.retention or (workflow and workflow.retention) or around.retention
    return at_ms + (kept.success_ms if state.status is Status.COMPLETE else kept.error_ms)
