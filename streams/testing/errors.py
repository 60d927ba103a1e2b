"""Errors of the testing kit.

KitError
├── UnknownWorkflow       the test was not given this workflow
├── Unreachable           what a test waits for cannot happen any more
├── DidNotComplete        the result was asked of an instance that ended otherwise
├── MockedTwice           the step has a mock already
└── CrashChangedTheEnd    a worker died, and that made a difference (an `AssertionError` too)
"""

from stepwell.schemas.parts import ErrorInfo


class KitError(Exception):
    """Base of the errors of the testing kit."""


class UnknownWorkflow(KitError):
    """The test was not given this workflow."""


class Unreachable(KitError):
    """What a test waits for cannot happen any more; the message says what the instance does."""


class DidNotComplete(KitError):
    """The instance has no result: it ended with `status`, and with `error` if it is errored."""

    def __init__(self, instance: str, status: str, error: ErrorInfo | None) -> None:
        detail = f": {error.name}: {error.message}" if error else ""
        super().__init__(f"{instance} is {status}{detail}")
        self.status = status
        self.error = error


class MockedTwice(KitError):
    """The step has a mock already: `dispose()` takes all of them back."""

    def __init__(self, step: str) -> None:
        super().__init__(f"step {step!r} has a mock already: dispose() takes all mocks back")
        self.step = step


class CrashChangedTheEnd(KitError, AssertionError):
    """A run during which the worker died ended differently, or did something again."""
