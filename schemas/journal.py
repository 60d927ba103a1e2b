"""The journal's records: everything that ever happens to an instance is one of these, in log order.

The record key names the instance (`workflow/instance`), so the values do not repeat it. `epoch` is
the journal offset of the `OwnerClaimed` under which a worker wrote the record: the fence.
"""

from dataclasses import dataclass
from typing import TypeAlias

from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.events import Json

OWNER_KEY = b"@owner"
"""Key of `OwnerClaimed` records; no instance key begins with `@`."""


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error as it is stored: its class name and message, nothing else survives."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Origin:
    """What created an instance: the event and where it lay in the log."""

    event_id: str
    event_type: str
    source: str
    subject: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class OwnerClaimed:
    """A worker says that it owns this partition from here on. Its epoch is this record's offset."""

    worker: str
    claim: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class InstanceCreated:
    """An instance exists. A second one under the same key changes nothing."""

    params: Json
    at_ms: int
    origin: Origin | None = None


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


@dataclass(frozen=True, slots=True)
class InstancePaused:
    """The worker stopped carrying this instance and says why (diverged code, no such workflow)."""

    run: int
    epoch: int
    at_ms: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class InstanceResumed:
    """A paused instance goes on."""

    run: int
    epoch: int
    at_ms: int
    reason: str


StepRecord: TypeAlias = StepSucceeded | AttemptFailed | StepFailed
InstanceRecord: TypeAlias = (
    InstanceCreated
    | StepRecord
    | InstanceCompleted
    | InstanceErrored
    | InstancePaused
    | InstanceResumed
)
JournalRecord: TypeAlias = OwnerClaimed | InstanceRecord


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
            raise JournalCorrupt(f"journal key {key!r} is not of the form workflow/instance")
        return cls(workflow, instance)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record at its place in one journal partition."""

    offset: int
    record: JournalRecord
