"""The attempts of a step as readers see them."""

from dataclasses import replace

from stepwell.schemas.journal import AttemptFailed, AttemptStarted, StepFailed, StepSucceeded
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.stretches import AttemptView

Attempts = tuple[AttemptView, ...]


def started(known: Attempts, record: AttemptStarted) -> Attempts:
    """With an attempt that begins; one that had not ended is lost."""
    return (*_before(known, record.attempt), AttemptView(record.attempt, "running", record.at_ms))


def ended(known: Attempts, record: AttemptFailed | StepFailed | StepSucceeded) -> Attempts:
    """With an attempt that has ended, whether its beginning was recorded or not."""
    is_good = isinstance(record, StepSucceeded)
    attempt = AttemptView(
        record.attempt,
        "succeeded" if is_good else "failed",
        record.started_ms,
        record.at_ms,
        error=None if isinstance(record, StepSucceeded) else text_of(record.error),
        retry_at_ms=record.retry_at_ms if isinstance(record, AttemptFailed) else None,
    )
    return (*_before(known, record.attempt), attempt)


def text_of(error: ErrorInfo) -> str:
    """An error as one piece of text."""
    return f"{error.name}: {error.message}"


def _before(known: Attempts, number: int) -> Attempts:
    return tuple(
        replace(attempt, outcome="lost") if attempt.outcome == "running" else attempt
        for attempt in known
        if attempt.number != number
    )
