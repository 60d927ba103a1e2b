"""What an execution asks of the runtime. The runtime obeys and knows no policy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from stepwell.schemas.journal import ErrorInfo
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


@dataclass(frozen=True, slots=True)
class CancelStep:
    """Nobody waits for this step any more: cancel its body, take back its timer."""

    key: StepKey


@dataclass(frozen=True, slots=True)
class Complete:
    """The workflow returned: record its output."""

    output: Any


@dataclass(frozen=True, slots=True)
class Fail:
    """The workflow raised: record the error."""

    error: ErrorInfo


Effect: TypeAlias = RunStep | CancelStep | Complete | Fail
