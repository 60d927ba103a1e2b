"""What an execution asks of the runtime. The runtime obeys and knows no policy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from stepwell.schemas.events import Json
from stepwell.schemas.parts import ErrorInfo, Rollback, Schedule
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.retry import StepOptions


class RunStep(NamedTuple):
    """Run a step body as attempt `attempt`, not before `not_before_ms` (0: now)."""

    key: StepKey
    function: Callable[..., Any]
    args: tuple[Any, ...]
    options: StepOptions
    attempt: int
    not_before_ms: int
    call: int = 0


@dataclass(frozen=True, slots=True)
class StartSleep:
    """Record when this sleep ends: `duration_ms` from now, or at `until_ms`."""

    key: StepKey
    call: int
    duration_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class StartWait:
    """Record that an event is waited for, and until when."""

    key: StepKey
    call: int
    event_type: str
    match: Mapping[str, Json]
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Record that this sleep or wait is over when it is `at_ms`, if it is still open then."""

    key: StepKey
    at_ms: int


@dataclass(frozen=True, slots=True)
class StartChild:
    """Create another instance; its end, or with `awaited` false its creation, is reported back."""

    key: StepKey
    call: int
    workflow: str
    instance: str
    params: Any
    awaited: bool
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True)
class CancelStep:
    """Nobody waits for this step any more: cancel its body or child, take back its timer."""

    key: StepKey
    child: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class MarkPatch:
    """Record that `step.patched(name)` was answered with yes at this call."""

    name: str
    call: int


@dataclass(frozen=True, slots=True)
class Continue:
    """The workflow asked for a new run with these parameters.

    Of the first `seen` events of this run it gets those whose numbers, from 0, are in `kept`.
    """

    params: Any
    seen: int = 0
    kept: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Complete:
    """The workflow returned: record its output."""

    output: Any


@dataclass(frozen=True, slots=True)
class Fail:
    """The workflow raised: record the error, and how its rollback ended if it had one."""

    error: ErrorInfo
    rollback: Rollback | None = None


@dataclass(frozen=True, slots=True)
class Terminate:
    """The workflow gave way to a request to end."""

    reason: str
    rollback: Rollback | None = None


Outcome: TypeAlias = Complete | Fail | Terminate | Continue
Effect: TypeAlias = (
    RunStep | StartSleep | StartWait | SetTimer | StartChild | CancelStep | MarkPatch | Outcome
)
