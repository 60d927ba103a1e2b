"""What others ask of an instance: records that API, command line and producers append themselves.

They are journal records like those of workers, under the key of the instance, but carry no epoch:
whoever may write the topic may ask, and the fold decides by the state in which they find it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from stepwell.schemas.events import Json


class StepKind(StrEnum):
    """What sort of step a name belongs to: names of different kinds are counted apart."""

    DO = "do"
    SLEEP = "sleep"
    WAIT = "wait"
    CHILD = "child"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class StepRef:
    """Names a step of an instance from outside."""

    name: str
    occurrence: int = 1
    kind: str = StepKind.DO


@dataclass(frozen=True, slots=True)
class EventReceived:
    """An event for the instance: for its oldest wait that fits, else kept for the next one."""

    type: str
    payload: Json
    at_ms: int
    event_id: str = ""
    """A second event of the same id is refused, if it is not empty."""


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """Start no step any more; pause when those that run have ended."""

    at_ms: int
    reason: str = ""
    command_id: str = ""


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    """Go on; the time of the pause does not count for timers."""

    at_ms: int
    reason: str = ""
    command_id: str = ""


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Raise `asyncio.CancelledError` in `run`, which may clean up by further steps."""

    at_ms: int
    reason: str = ""
    command_id: str = ""
    parent: str = ""
    """If not empty, only the child of this instance is meant."""


@dataclass(frozen=True, slots=True)
class TerminateRequested:
    """End the instance now, or after its rollback handlers have run."""

    at_ms: int
    rollback: bool = False
    reason: str = ""
    command_id: str = ""


@dataclass(frozen=True, slots=True)
class RestartRequested:
    """Run again with the same parameters, from the beginning or keeping what precedes a step."""

    at_ms: int
    from_step: StepRef | None = None
    reason: str = ""
    command_id: str = ""


@dataclass(frozen=True, slots=True)
class DeleteRequested:
    """Stop it without rollback and forget it; its id is free again."""

    at_ms: int
    reason: str = ""
    command_id: str = ""


Command: TypeAlias = (
    EventReceived
    | PauseRequested
    | ResumeRequested
    | CancelRequested
    | TerminateRequested
    | RestartRequested
    | DeleteRequested
)
