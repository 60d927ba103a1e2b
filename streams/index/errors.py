"""Errors of this room: what a write of one document can end with.

StepwellError
├── RetryableIndexError     not written, may succeed later: overloaded, read-only, interrupted
└── RefusedByIndex          never will succeed as asked: wrong dimension, too large, invalid

Whole calls raise `IndexUnavailable` and `IndexSchemaMismatch` of `streams/errors.py`.
"""

from dataclasses import dataclass

from stepwell.streams.errors import StepwellError


@dataclass(eq=False)
class RetryableIndexError(StepwellError):
    """The document `key` was not written, and may be later."""

    key: str
    detail: str

    def __str__(self) -> str:
        return f"{self.key}: not written yet, try again later: {self.detail}"


@dataclass(eq=False)
class RefusedByIndex(StepwellError):
    """The request about `subject` can never succeed as it is."""

    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.subject}: refused: {self.detail}"
