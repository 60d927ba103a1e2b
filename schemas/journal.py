"""The journal's records: everything that ever happens to an instance is one of these, in log order.

Here is what workers write; what others ask of an instance is in `commands`. The record key names
the instance (`workflow/instance`), so the values do not repeat it. Two numbers are journal offsets,
and so unique: `epoch`, of the `OwnerClaimed` under which a worker wrote the record (the fence), and
`run`, of the record that began this run of the instance.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from stepwell.schemas.commands import Command, StepKind
from stepwell.schemas.errors import JournalCorrupt, RejectReason
from stepwell.schemas.events import Json
from stepwell.schemas.parts import (
    ErrorInfo,
    Lane,
    Origin,
    Parent,
    Replay,
    Retention,
    Rollback,
    Schedule,
    Trace,
)

OWNER_KEY = b"@owner"
"""Key of `OwnerClaimed` records; no instance key begins with `@`."""


@dataclass(frozen=True, slots=True)
class OwnerClaimed:
    """A worker says that it owns this partition from here on. Its epoch is this record's offset."""

    worker: str
    claim: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class OwnerReleased:
    """The worker of this claim gave the partition up; without it, it is taken to have died."""

    claim: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class InstanceCreated:
    """An instance exists. A second one under the same key changes nothing."""

    params: Json
    at_ms: int
    origin: Origin | None = None
    parent: Parent | None = None
    lane: str = Lane.LIVE
    retention: Retention | None = None
    schedule: Schedule | None = None
    debounce_ms: int = 0
    """Above 0: it starts so long after the last such record, with the parameters of that one."""
    replay: Replay | None = None
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class InstanceQueued:
    """It has steps to run and waits for a place, because of the limit that `reason` names."""

    run: int
    epoch: int
    at_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class InstanceStarted:
    """A queued or debounced instance has got its place."""

    run: int
    epoch: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class InstanceIdled:
    """No step runs: it waits for timers, events or children only.

    `after` is the offset of the record that left it so; when something moved it since, it is not.
    """

    run: int
    epoch: int
    at_ms: int
    after: int


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """An attempt is about to run. Written only for steps suspected of taking their worker down."""

    run: int
    step: str
    occurrence: int
    attempt: int
    epoch: int
    at_ms: int
    step_kind: str = StepKind.DO


@dataclass(frozen=True, slots=True)
class StepSucceeded:
    """A step returned `result`; it never runs again in this run of the instance."""

    run: int
    step: str
    occurrence: int
    attempt: int
    epoch: int
    started_ms: int
    at_ms: int
    result: Json
    step_kind: str = StepKind.DO
    call: int = 0
    """The place of the step among all that its run asked for, from 1."""
    sensitive: bool = False
    """The result is for the workflow only: no view shows it."""


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt failed and the next one starts at `retry_at_ms` or later."""

    run: int
    step: str
    occurrence: int
    attempt: int
    epoch: int
    started_ms: int
    at_ms: int
    error: ErrorInfo
    retry_at_ms: int
    step_kind: str = StepKind.DO
    call: int = 0


@dataclass(frozen=True, slots=True)
class StepFailed:
    """The last attempt failed, or the error was not retryable; the error is thrown into the run."""

    run: int
    step: str
    occurrence: int
    attempt: int
    epoch: int
    started_ms: int
    at_ms: int
    error: ErrorInfo
    step_kind: str = StepKind.DO
    call: int = 0


@dataclass(frozen=True, slots=True)
class StreamChunk:
    """One piece of the result of a step that yields; its `StepSucceeded` says how many."""

    run: int
    step: str
    occurrence: int
    attempt: int
    epoch: int
    at_ms: int
    index: int
    data: Json
    step_kind: str = StepKind.DO


@dataclass(frozen=True, slots=True)
class SleepStarted:
    """A sleep that ends at `wake_at_ms`."""

    run: int
    step: str
    occurrence: int
    epoch: int
    at_ms: int
    wake_at_ms: int
    call: int


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A sleep is over."""

    run: int
    step: str
    occurrence: int
    epoch: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class WaitStarted:
    """The run waits for an event whose payload has the values of `match` at their paths."""

    run: int
    step: str
    occurrence: int
    epoch: int
    at_ms: int
    event_type: str
    match: dict[str, Json]
    timeout_at_ms: int
    call: int


@dataclass(frozen=True, slots=True)
class WaitTimedOut:
    """No such event came in time."""

    run: int
    step: str
    occurrence: int
    epoch: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class ChildReported:
    """Another partition's owner says what became of a child; not fenced, the first one counts.

    `status` is a terminal status, or `created` for a child that is not awaited.
    """

    run: int
    step: str
    occurrence: int
    call: int
    at_ms: int
    child: str
    status: str
    output: Json = None
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class PatchMarked:
    """From call `call` on, `step.patched(name)` is true in this run."""

    run: int
    epoch: int
    at_ms: int
    name: str
    call: int


@dataclass(frozen=True, slots=True)
class InstanceContinued:
    """The run ended by asking for a new one with these parameters, and an empty history.

    Of its events up to offset `seen` the new run gets those at the offsets `kept`, and all later
    ones. `event_ids` are of some that were taken: sent again, they are refused.
    """

    run: int
    epoch: int
    at_ms: int
    params: Json
    seen: int = -1
    kept: list[int] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class InstanceCompleted:
    """The workflow returned `output`."""

    run: int
    epoch: int
    at_ms: int
    output: Json


@dataclass(frozen=True, slots=True)
class InstanceErrored:
    """The workflow raised."""

    run: int
    epoch: int
    at_ms: int
    error: ErrorInfo
    rollback: Rollback | None = None


@dataclass(frozen=True, slots=True)
class InstanceTerminated:
    """The run was ended from outside, after its rollback or because it was cancelled."""

    run: int
    epoch: int
    at_ms: int
    reason: str
    rollback: Rollback | None = None


@dataclass(frozen=True, slots=True)
class InstancePaused:
    """Nothing runs any more, and why: requested, diverged, unknown workflow, quarantined."""

    run: int
    epoch: int
    at_ms: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class InstanceResumed:
    """The worker itself goes on with an instance that it had paused."""

    run: int
    epoch: int
    at_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class InstancePurged:
    """Its retention is over: nothing is kept, and its id is free again."""

    run: int
    epoch: int
    at_ms: int


StepRecord: TypeAlias = StepSucceeded | AttemptFailed | StepFailed
"""How an attempt of a step ended."""
InstanceRecord: TypeAlias = (
    InstanceCreated
    | InstanceQueued
    | InstanceStarted
    | InstanceIdled
    | AttemptStarted
    | StepRecord
    | StreamChunk
    | SleepStarted
    | TimerFired
    | WaitStarted
    | WaitTimedOut
    | ChildReported
    | PatchMarked
    | InstanceContinued
    | InstanceCompleted
    | InstanceErrored
    | InstanceTerminated
    | InstancePaused
    | InstanceResumed
    | InstancePurged
    | Command
)
OwnerRecord: TypeAlias = OwnerClaimed | OwnerReleased
"""About the partition, not about an instance; their key is `OWNER_KEY`."""
JournalRecord: TypeAlias = OwnerRecord | InstanceRecord


@dataclass(frozen=True, slots=True)
class InstanceKey:
    """Names one instance; `str()` and `encode()` give the journal key `workflow/instance`."""

    workflow: str
    instance: str

    def __str__(self) -> str:
        return f"{self.workflow}/{self.instance}"

    def encode(self) -> bytes:
        """The Kafka record key."""
        return f"{self.workflow}/{self.instance}".encode()

    @classmethod
    def decode(cls, key: bytes) -> "InstanceKey":
        """Parse a record key; raises `JournalCorrupt` when it is not `workflow/instance`."""
        workflow, _, instance = key.decode(errors="replace").partition("/")
        if not (workflow and instance):
            detail = f"journal key {key[:100]!r} is not of the form workflow/instance"
            raise JournalCorrupt(detail, RejectReason.KEY)
        return cls(workflow, instance)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record at its place in one journal partition."""

    offset: int
    record: JournalRecord
