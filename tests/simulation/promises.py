"""What must hold at the end of every simulated life, whatever crashed, came late or came twice."""

from collections.abc import Sequence

from stepwell.schemas import codec
from stepwell.schemas.commands import EventReceived, RestartRequested, ResumeRequested, StepKind
from stepwell.schemas.journal import (
    OWNER_KEY,
    InstanceCompleted,
    InstanceCreated,
    InstanceErrored,
    InstanceKey,
    InstancePaused,
    InstanceRecord,
    InstanceResumed,
    SleepStarted,
    StepSucceeded,
    TimerFired,
    WaitStarted,
    WaitTimedOut,
)
from stepwell.streams.engine.deliveries import step_key
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import Status
from stepwell.streams.runtime.owner import RECLAIM_AFTER_MS
from stepwell.streams.runtime.rows import Header, load
from tests.simulation.durable import SimulatedRows
from tests.simulation.programs import NOTE, expected_output
from tests.simulation.reference import Reference
from tests.simulation.workers import RETENTION
from tests.simulation.world import World

LATE_MS_MAX = 5
"""Without faults a timer is late by no more."""


def check_rows(world: World) -> None:
    """Rows, in memory and on disk, say what the journal says; headers know what is due."""
    for partition, reference in enumerate(world.references()):
        worker, durable = world.newest(partition), world.durables[partition]
        for key, state in reference.states.items():
            raw = key.encode()
            history = load(worker.rows, raw)
            assert history is not None, f"rows of {key} are lost"
            assert history.state == state, f"rows of {key} differ from the journal"
            again = load(SimulatedRows(durable), raw)  # a zombie may have left more
            assert again is not None, f"rows of {key} are lost on disk"
            assert again.state is not None
            if durable.has_late_writes:  # the row of an event that an earlier run has taken
                taken = [name for name, at in state.events.items() if at < 0]
                again.state.events |= dict.fromkeys(taken, -1)
            assert again.state == state, f"rows of {key} on disk differ from the journal"
            kept = durable.headers[raw] == worker.rows.header(raw)
            assert kept or durable.has_late_writes, f"{key}: a lost header"
            header = Header.decode(worker.rows.header(raw) or b"")
            assert (header.status, header.run) == (state.status, state.run), f"header of {key}"
            if state.status.terminal:
                kept_ms = RETENTION.error_ms
                if state.status is Status.COMPLETE:
                    kept_ms = RETENTION.success_ms
                assert header.wake_at_ms == history.last.at_ms + kept_ms, f"purge of {key}"
        assert durable.committed == len(durable.journal)
        ghosts = (durable.history.keys() | durable.headers.keys()) - {OWNER_KEY}
        ghosts -= {key.encode() for key in reference.states}
        assert durable.has_late_writes or not ghosts, f"rows of instances that are gone: {ghosts}"


def check_lifecycle(world: World) -> None:
    """The world was told of every change of a status."""
    for reference, durable in zip(world.references(), world.durables, strict=True):
        for key, changes in reference.changes.items():
            for offset, status in changes:
                told = (key, offset, status) in durable.told
                assert told, f"{key} became {status} at {offset}, and nobody was told"


def check_memory(world: World) -> None:
    """Nobody waits for anything: nothing is held."""
    for worker in world.workers:
        held = len(worker.owner.carrier), worker.gate.running, worker.gate.waiting
        assert held == (0, 0, 0), f"held at the end: {held}, {list(worker.owner.carrier._live)}"
        assert not worker.bodies.jobs


def check_purge(world: World) -> None:
    """When retention is over nothing is left of anything."""
    world.now_ms += RETENTION.error_ms
    for _ in range(3):
        world.pass_time()
        world.settle()
    for partition, durable in enumerate(world.durables):
        kept = world.references()[partition].states
        assert not kept, f"not purged: {kept}"
        if not durable.has_late_writes:
            assert not durable.headers, f"not purged: {list(durable.headers)}"
            assert durable.history.keys() <= {OWNER_KEY}
        assert not len(world.newest(partition).owner.carrier.alarms)


def check_instances(world: World, undisturbed: set[InstanceKey], settled_ms: int) -> None:
    """What each instance came to."""
    for reference in world.references():
        for key, records in reference.accepted.items():
            check_timers(records, settled_ms)
            check_events(key, records)
            if key.workflow == "lonely":
                status = reference.states[key].status
                is_cancelled = status is Status.TERMINATED or was_begun_anew(world, records[0])
                assert is_cancelled, f"{key} is {status}: nobody cancelled it"
            elif key in undisturbed:
                check_undisturbed(reference, key, records)


def was_begun_anew(world: World, created: InstanceRecord) -> bool:
    """Whether the rows of the parent's run were dropped, by a restart or a deletion.

    A crash between that and the cancellation of its children loses the cancellation: a known limit.
    """
    assert isinstance(created, InstanceCreated)
    assert created.parent is not None
    name = created.parent.key.encode()
    parent = world.references()[world.partition_of(name)].accepted.get(InstanceKey.decode(name))
    return parent is None or any(isinstance(it, RestartRequested) for it in parent)


def check_undisturbed(
    reference: Reference, key: InstanceKey, records: Sequence[InstanceRecord]
) -> None:
    """Nobody paused, ended or restarted it: it came to what it always comes to."""
    state, last = reference.states[key], records[-1]
    if key.workflow == "saga":
        assert state.status is Status.ERRORED, f"{key} is {state.status}"
        assert isinstance(last, InstanceErrored)
        assert last.rollback is not None
        assert last.rollback.complete
        assert undone(records) == ["c", "b", "a"], f"{key}: {undone(records)}"
    else:
        assert isinstance(last, InstanceCompleted), f"{key} is {state.status}: {last}"
        expected = expected_output(key.workflow, len(key.instance))
        assert expected in (None, last.output), f"{key} gave {last.output}, not {expected}"


def undone(records: Sequence[InstanceRecord]) -> list[str]:
    kind = StepKind.ROLLBACK
    return [r.step for r in records if isinstance(r, StepSucceeded) and r.step_kind == kind]


def check_events(key: InstanceKey, records: Sequence[InstanceRecord]) -> None:
    """Each event was taken once at most, the first sent first; none was passed over."""
    if key.workflow not in ("listener", "loop") or not isinstance(records[-1], InstanceCompleted):
        return
    sent = [r.payload["id"] for r in records if isinstance(r, EventReceived) and r.type == NOTE]
    taken = [number for number in records[-1].output if number is not None]
    assert taken == [n for n in sent if n in taken], f"{key} took {taken} of {sent}"
    assert len(set(taken)) == len(taken), f"{key} took one twice: {taken}"
    assert not taken or sent.index(taken[-1]) == sent.index(taken[0]) + len(taken) - 1, (
        f"{key} took {taken} of {sent}: one was lost"
    )


def check_timers(records: Sequence[InstanceRecord], settled_ms: int) -> None:
    """No timer was early; and none that came due after the last fault was late."""
    due: dict[StepKey, int] = {}
    paused_ms: int | None = None
    for record in records:
        match record:
            case SleepStarted():
                due[step_key(record)] = max(record.wake_at_ms, record.at_ms)
            case WaitStarted():
                due[step_key(record)] = record.timeout_at_ms
            case InstancePaused():
                paused_ms = record.at_ms
            case InstanceResumed() | ResumeRequested() if paused_ms is not None:
                span_ms = record.at_ms - paused_ms
                due = {key: max(at + span_ms, record.at_ms) for key, at in due.items()}
                paused_ms = None
            case TimerFired() | WaitTimedOut():
                at_ms = due.get(step_key(record))
                assert at_ms is not None, f"{record} of no timer"
                assert record.at_ms >= at_ms, f"{record} was early: due at {at_ms}"
                late_ms = record.at_ms - max(at_ms, settled_ms + 2 * RECLAIM_AFTER_MS)
                assert late_ms <= LATE_MS_MAX, f"{record} was late: due at {at_ms}"
            case _:
                pass


def resume_paused(world: World) -> bool:
    """Somebody looks after what is paused; whether there was any."""
    found = False
    for reference in world.references():
        for key, state in list(reference.states.items()):
            if state.status is Status.PAUSED:
                world.append(key, ResumeRequested(world.now_ms))
                found = True
    return found


def journal_of(world: World, key: InstanceKey) -> list[object]:
    """What was written about an instance, to look at when a promise was broken."""
    raw = key.encode()
    durable = world.durables[world.partition_of(raw)]
    return [codec.decode(value) for name, value in durable.journal if name in (raw, OWNER_KEY)]
