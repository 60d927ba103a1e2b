"""What an instance owes others: its parent hears of it, its children are made and let go."""

from stepwell.schemas import codec
from stepwell.schemas.commands import CancelRequested, DeleteRequested
from stepwell.schemas.journal import (
    ChildReported,
    InstanceCompleted,
    InstanceCreated,
    InstanceErrored,
    InstanceKey,
    InstanceRecord,
)
from stepwell.schemas.parts import ErrorInfo, Parent, Trace
from stepwell.streams.engine.effects import CancelStep, StartChild
from stepwell.streams.engine.state import Status

Message = tuple[bytes, bytes]
"""A key and a record: to be appended to the journal partition of that key."""


def child_created(  # noqa: PLR0913 - all but three by name
    effect: StartChild,
    key: InstanceKey,
    run: int,
    *,
    lane: str,
    at_ms: int,
    trace: Trace | None = None,
) -> Message:
    """The creation of a child; raises `NotSerialisable` for its parameters."""
    step = effect.key
    parent = Parent(str(key), run, step.name, step.occurrence, effect.call, effect.awaited)
    schedule = effect.schedule
    created = InstanceCreated(
        effect.params, at_ms, parent=parent, lane=lane, schedule=schedule, trace=trace
    )
    child = InstanceKey(effect.workflow, effect.instance)
    return child.encode(), codec.encode(created)


def child_cancelled(effect: CancelStep, parent: str, at_ms: int) -> Message | None:
    """The request to a child whose parent does not wait for it any more."""
    if effect.child is None:
        return None
    reason = "its parent does not wait for it any more"
    request = CancelRequested(at_ms, reason, parent=parent)
    return InstanceKey(*effect.child).encode(), codec.encode(request)


def child_exists(parent: Parent, child: InstanceKey, at_ms: int) -> Message | None:
    """What the parent of a child that is not awaited hears when there is one."""
    if parent.awaited:
        return None
    return _report(parent, child, at_ms, "created")


def child_refused(parent: Parent, child: InstanceKey, at_ms: int) -> Message:
    """What the parent hears when the id belongs to somebody else's instance."""
    message = f"(instance.already_exists) {child} was not started by this step"
    error = ErrorInfo("InstanceAlreadyExists", message)
    return _report(parent, child, at_ms, Status.ERRORED, error=error)


def child_ended(
    parent: Parent, child: InstanceKey, status: str, record: InstanceRecord
) -> Message | None:
    """What the parent that waits for a child hears of its end."""
    if not parent.awaited:
        return None
    output = record.output if isinstance(record, InstanceCompleted) else None
    error = record.error if isinstance(record, InstanceErrored) else None
    if isinstance(record, DeleteRequested):
        error = ErrorInfo("InstanceDeleted", f"{child} was deleted")
    return _report(parent, child, record.at_ms, status, output, error=error)


def follower_created(
    workflow: str,
    ended: InstanceKey,
    status: str,
    record: InstanceRecord,
    trace: Trace | None = None,
) -> Message:
    """The instance that a workflow starts because one of another workflow has ended."""
    params = {
        "instance": str(ended),
        "status": status,
        "output": record.output if isinstance(record, InstanceCompleted) else None,
        "error": record.error if isinstance(record, InstanceErrored) else None,
    }
    created = InstanceCreated(params, record.at_ms, trace=trace)
    return InstanceKey(workflow, ended.instance).encode(), codec.encode(created)


def _report(  # noqa: PLR0913 - the fields of one record
    parent: Parent,
    child: InstanceKey,
    at_ms: int,
    status: str,
    output: object = None,
    *,
    error: ErrorInfo | None = None,
) -> Message:
    step, occurrence, call = parent.step, parent.occurrence, parent.call
    record = ChildReported(
        parent.run, step, occurrence, call, at_ms, str(child), status, output, error
    )
    return parent.key.encode(), codec.encode(record)
