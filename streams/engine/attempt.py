"""How an attempt ended, as a record: success, another try, or the end of the step."""

from dataclasses import dataclass
from typing import Any

from stepwell.schemas.journal import AttemptFailed, ErrorInfo, StepFailed, StepSucceeded
from stepwell.streams.engine.effects import RunStep


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start of a step body by one owner."""

    step: RunStep
    run: int
    epoch: int
    started_ms: int

    def succeeded(self, result: Any, now_ms: int) -> StepSucceeded:
        """The body returned `result`."""
        return StepSucceeded(*self._facts(), self.started_ms, now_ms, result)

    def failed(
        self, error: ErrorInfo, now_ms: int, *, retryable: bool
    ) -> AttemptFailed | StepFailed:
        """The body raised: the next attempt's time, or the end when none is left or allowed."""
        attempt, retries = self.step.attempt, self.step.options.retries
        if not retryable or attempt > retries.limit:
            return StepFailed(*self._facts(), self.started_ms, now_ms, error)
        retry_at_ms = now_ms + retries.delay_ms(attempt)
        return AttemptFailed(*self._facts(), self.started_ms, now_ms, error, retry_at_ms)

    def _facts(self) -> tuple[int, str, int, int, int]:
        key = self.step.key
        return self.run, key.name, key.occurrence, self.step.attempt, self.epoch
