"""Rollback: what a step asks to have run when its instance fails."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.engine.calls import BodyCall
from stepwell.streams.engine.retry import StepOptions


@dataclass(frozen=True, slots=True)
class RollbackContext:
    """Given to a rollback handler: the step it belongs to, why, and what the step had returned.

    `error` is None when the instance is terminated; `output` is None when the step failed or had
    not finished.
    """

    step: str
    occurrence: int
    error: ErrorInfo | None
    output: Any


@dataclass(frozen=True, slots=True)
class Compensation:
    """A rollback handler with its own options."""

    call: BodyCall
    handler: Callable[[RollbackContext], Any]
    options: StepOptions

    def output(self) -> Any:
        """What the step returned; None without a result."""
        future = self.call.future
        if not future.done() or future.cancelled() or future.exception() is not None:
            return None
        return future.result()
