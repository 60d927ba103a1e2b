"""What readers see of instances and of the deployment: small records for command line and API."""

from dataclasses import dataclass, field

from stepwell.schemas.events import Json
from stepwell.schemas.parts import ErrorInfo

REDACTED = "[redacted]"
"""Stands for the result of a sensitive step, everywhere but in the workflow itself."""


@dataclass(frozen=True, slots=True)
class InstanceSummary:
    """One line of a listing. `updated_ms` is when its last record was appended."""

    workflow: str
    instance_id: str
    status: str
    created_ms: int
    updated_ms: int
    error: str | None = None
    """Only when it is errored."""
    reason: str | None = None
    """Why it is queued, paused or terminated."""


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of an instance. `output` is its recorded result, `error` the last attempt's.

    The first attempt of a step body is recorded when it ends: until then there is no such view.
    """

    name: str
    occurrence: int
    status: str
    attempts: int
    started_ms: int | None = None
    finished_ms: int | None = None
    output: Json = None
    error: str | None = None
    kind: str = "do"
    until_ms: int | None = None
    """When a sleep ends, a wait gives up, or the next attempt begins."""
    event_type: str | None = None
    """What a wait waits for, with these values at these paths of the payload."""
    match: dict[str, Json] = field(default_factory=dict)
    child: str | None = None
    """The instance that a child step started: `workflow/instance`."""


@dataclass(frozen=True, slots=True)
class EventView:
    """An event that the instance was sent; `taken_by` is the wait that got it, None: it is kept."""

    type: str
    payload: Json
    at_ms: int
    event_id: str
    taken_by: str | None


@dataclass(frozen=True, slots=True)
class RollbackView:
    """How a rollback ended: `complete`, or `failed` with the error of a handler."""

    outcome: str
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class InstanceDetails:
    """An instance with its steps, in the order in which they were first recorded."""

    summary: InstanceSummary
    params: Json
    output: Json
    steps: tuple[StepView, ...]
    run: int = 0
    """Which run this is: the journal offset of the record that began it."""
    lane: str = "live"
    error: ErrorInfo | None = None
    rollback: RollbackView | None = None
    events: tuple[EventView, ...] = ()
    parent: str | None = None
    """The instance whose child this is: `workflow/instance`."""
    children: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a command, and where it lies in the journal."""

    workflow: str
    instance_id: str
    command_id: str
    verdict: str
    """`accepted`, or why it changed nothing."""
    status: str | None
    """The status after it; None: there is no such instance (any more)."""
    message: str
    partition: int
    offset: int
    code: str | None = None
    """The code of the error that this is."""

    @property
    def accepted(self) -> bool:
        """Whether it took effect."""
        return self.verdict == "accepted"


@dataclass(frozen=True, slots=True)
class Exported:
    """Histories, each as one line of JSON, and the instances that were left out."""

    lines: tuple[bytes, ...]
    left_out: tuple[str, ...]
    """They have sensitive results."""


@dataclass(frozen=True, slots=True)
class CheckedHistory:
    """Whether present code agrees with the history of an instance."""

    instance: str
    ok: bool
    expected: str = ""
    found: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that `stepwell doctor` looked at; `advice` says what to do when it is not well."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


def plain(value: object) -> str:
    """What JSON has no word for, in a few."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    shape = getattr(value, "shape", None)  # a numpy array, which is slow to import for this
    return str(value) if shape is None else f"{getattr(value, 'dtype', '')}{list(shape)}"
