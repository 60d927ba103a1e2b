"""Stretches of time in the life of an instance: attempts of steps, and when it stood in a queue."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt of a step: `succeeded`, `failed`, `running`, or `lost` with its worker."""

    number: int
    outcome: str
    started_ms: int
    finished_ms: int | None = None
    error: str | None = None
    retry_at_ms: int | None = None
    """When the next attempt may begin; what passes after that is waiting for a place."""


@dataclass(frozen=True, slots=True)
class SpanView:
    """A time in which the whole instance was `queued` or `paused`."""

    kind: str
    started_ms: int
    finished_ms: int | None = None
    reason: str = ""
