"""Errors of the engine.

EngineError
├── InvalidDefinition         a workflow, step, duration or retry setting breaks a rule
├── SideEffectOutsideStep     workflow code did I/O, read a clock or slept outside a step
├── StepLimitExceeded         the instance asked for more steps than allowed
├── Diverged                  the recorded history contradicts the code
├── StepError                 thrown into `run()` when a step has failed for good
│   ├── ChildError            … because the child instance did not complete
│   └── EventTimeout          … because the event did not come in time
├── RollingBack               a step was asked for while the instance rolls back
├── WaitsForNothing           `run()` waits for something that no step will ever give it
├── ContinueAsNew             not an error: ends the run and begins another
└── AttemptError
    ├── NonRetryableError     raised by a step body: do not try again
    │   └── ResultTooLarge    the result is larger than a journal record may be
    └── StepTimeout           an attempt took longer than its timeout
"""

from typing import Any

from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.engine.limits import ERROR_MESSAGE_LENGTH_MAX, RESULT_BYTES_MAX


class EngineError(Exception):
    """Base of every engine error."""


class InvalidDefinition(EngineError, ValueError):
    """A workflow, step, duration or retry setting breaks a rule; the message names the rule."""


class SideEffectOutsideStep(EngineError):
    """Workflow code reached for the outside world; a replay could not repeat that."""

    def __init__(self, call: str, advice: str) -> None:
        super().__init__(f"{call} is not available in workflow code: {advice}")
        self.call = call


class StepLimitExceeded(EngineError):
    """The instance asked for more steps than one instance may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} steps in one instance")
        self.limit = limit


class Diverged(EngineError):
    """The history holds a record for which the code never asked."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"the code waits for {expected}, the history holds {found}")
        self.expected = expected
        self.found = found


class StepError(EngineError):
    """A step failed for good. `error_name` and `error_message` are those of the last attempt."""

    def __init__(self, step: str, error_name: str, error_message: str) -> None:
        super().__init__(f"step {step!r} failed: {error_name}: {error_message}")
        self.step = step
        self.error_name = error_name
        self.error_message = error_message


class ChildError(StepError):
    """A child instance ended with `status`, other than complete."""

    def __init__(self, step: str, child: str, status: str, error: tuple[str, str]) -> None:
        super().__init__(step, *error)
        self.child = child
        self.status = status


class EventTimeout(StepError):
    """No event of the type came within the time of a wait."""

    def __init__(self, step: str, event_type: str, timeout_ms: int) -> None:
        super().__init__(
            step, "EventTimeout", f"no event {event_type!r} was received within {timeout_ms} ms"
        )
        self.event_type = event_type
        self.timeout_ms = timeout_ms


class RollingBack(EngineError):
    """The instance is ending: only its rollback handlers run."""

    def __init__(self, step: str) -> None:
        super().__init__(f"step {step!r} was asked for while the instance rolls back")
        self.step = step


class WaitsForNothing(EngineError):
    """Without a step outstanding, nothing can ever wake this run."""

    def __init__(self) -> None:
        super().__init__(
            "the workflow waits, but for no step: await only steps, and what steps complete"
        )


class ContinueAsNew(EngineError):
    """Raised by `step.continue_as_new()`: let it pass."""

    def __init__(self, params: Any) -> None:
        super().__init__("the workflow continues as a new run")
        self.params = params


class AttemptError(EngineError):
    """Base of what ends an attempt on purpose."""


class NonRetryableError(AttemptError):
    """Raise it in a step body to end the step now, however many retries are left."""


class ResultTooLarge(NonRetryableError):
    """The result of a step is larger than a journal record may be."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the result takes {size} bytes of journal, the limit is {RESULT_BYTES_MAX}: put it in "
            "a `BlobStore` (stepwell.streams.blobs) in the step and return its reference"
        )
        self.size = size


class StepTimeout(AttemptError):
    """An attempt took longer than its timeout."""

    def __init__(self, timeout_ms: int) -> None:
        super().__init__(f"the attempt did not finish within {timeout_ms} ms")
        self.timeout_ms = timeout_ms


def describe_error(error: BaseException) -> ErrorInfo:
    """An exception as it is stored; that of a step under the name of what the step had raised."""
    name = error.error_name if isinstance(error, StepError) else type(error).__name__
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the edge to user code: its own `__str__`
        message = f"{name} has no readable message"
    storable = message[:ERROR_MESSAGE_LENGTH_MAX].encode(errors="backslashreplace").decode()
    return ErrorInfo(name, storable)
