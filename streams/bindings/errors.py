"""Errors of this room. What they are raised in is a step body, so they say whether to try again.

StepwellError
└── BindingError
    ├── ServiceUnavailable    no answer, or "not now": the step is tried again
    ├── WrongAnswer           answered, but not as asked: the step is tried again
    └── RefusedByService      never will succeed as asked (also NonRetryableError): the step ends
"""

from stepwell.streams.engine.errors import NonRetryableError
from stepwell.streams.errors import StepwellError


class BindingError(StepwellError):
    """Base of what a call of a service ends with."""

    def __init__(self, service: str, detail: str) -> None:
        super().__init__(f"{service}: {detail}")
        self.service = service
        self.detail = detail


class ServiceUnavailable(BindingError):
    """No answer in time, or one that says to come again, perhaps also when."""

    exit_code = 5

    def __init__(self, service: str, detail: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(service, detail)
        self.retry_after_ms = retry_after_ms


class WrongAnswer(BindingError):
    """The answer is not what was asked for; models may do better the next time."""


class RefusedByService(BindingError, NonRetryableError):
    """The service will never do this as asked."""

    exit_code = 4
