"""Errors of the engine.

EngineError
├── InvalidDefinition         a workflow, step, duration or retry setting breaks a rule
├── SideEffectOutsideStep     workflow code did I/O, read a clock or slept outside a step
├── StepLimitExceeded         the instance asked for more steps than allowed
├── Diverged                  the recorded history contradicts the code
├── StepError                 thrown into `run()` when a step has failed for good
└── AttemptError
    ├── NonRetryableError     raised by a step body: do not try again
    │   └── ResultTooLarge    the result is larger than a journal record may be
    └── StepTimeout           an attempt took longer than its timeout
"""

from stepwell.streams.engine.limits import RESULT_BYTES_MAX


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


class AttemptError(EngineError):
    """Base of what ends an attempt on purpose."""


class NonRetryableError(AttemptError):
    """Raise it in a step body to end the step now, however many retries are left."""


class ResultTooLarge(NonRetryableError):
    """The result of a step is larger than a journal record may be."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the result takes {size} bytes of journal, the limit is {RESULT_BYTES_MAX}: store it "
            "outside in the step and return a reference to it"
        )
        self.size = size


class StepTimeout(AttemptError):
    """An attempt took longer than its timeout."""

    def __init__(self, timeout_ms: int) -> None:
        super().__init__(f"the attempt did not finish within {timeout_ms} ms")
        self.timeout_ms = timeout_ms
