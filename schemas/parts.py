"""What journal records are made of: errors, origins, parents, schedules."""

from dataclasses import dataclass
from enum import StrEnum

LATEST_MS = 221_845_392_000_000
"""The year 9000: later times could not be reckoned with, or shown."""


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
class Replay:
    """The replay that made an instance, and the instance that it repeats: `workflow/instance`."""

    id: str
    of: str


@dataclass(frozen=True, slots=True)
class Trace:
    """Where in a distributed trace an instance was created: two headers of W3C Trace Context."""

    traceparent: str
    tracestate: str = ""

    @property
    def trace_id(self) -> str:
        """By which the trace is found where traces are kept."""
        return self.traceparent.partition("-")[2].partition("-")[0]


@dataclass(frozen=True, slots=True)
class Parent:
    """The child step of another instance that started this one, and waits for it or not."""

    key: str
    run: int
    step: str
    occurrence: int
    call: int
    awaited: bool


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the rows of a finished instance are kept, by how it ended."""

    success_ms: int
    error_ms: int


@dataclass(frozen=True, slots=True)
class Rollback:
    """How the rollback of a run ended; `error` names the handler that failed."""

    complete: bool
    error: ErrorInfo | None = None


class Lane(StrEnum):
    """Whose steps go first when places are few."""

    LIVE = "live"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Schedule:
    """The cron expression that started an instance, and the time that was meant."""

    cron: str
    scheduled_ms: int
