"""How an attempt ended, as a record: success, another try, or the end of the step."""

from dataclasses import dataclass
from typing import Any

from stepwell.schemas.journal import AttemptFailed, StepFailed, StepSucceeded, StreamChunk
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.engine.effects import RunStep


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start of a step body by one owner."""

    step: RunStep
    run: int
    epoch: int
    started_ms: int

    @property
    def is_last(self) -> bool:
        """Whether no retry is left after this one."""
        return self.step.attempt > self.step.options.retries.limit

    def chunk(self, index: int, data: bytes | str, now_ms: int) -> StreamChunk:
        """The body yielded `data`."""
        return StreamChunk(*self._facts(), now_ms, index, data, self.step.key.kind)

    def succeeded(self, result: Any, now_ms: int) -> StepSucceeded:
        """The body returned `result`."""
        step = self.step
        return StepSucceeded(
            *self._facts(),
            self.started_ms,
            now_ms,
            result,
            step_kind=step.key.kind,
            call=step.call,
            sensitive=step.options.sensitive,
        )

    def failed(
        self, error: ErrorInfo, now_ms: int, *, retryable: bool, delay_ms: int | None = None
    ) -> AttemptFailed | StepFailed:
        """The body raised: the next attempt's time, or the end when none is left or allowed.

        `delay_ms` is needed where chance or a function decides it.
        """
        step = self.step
        kind, call = step.key.kind, step.call
        if not retryable or self.is_last:
            return StepFailed(*self._facts(), self.started_ms, now_ms, error, kind, call)
        if delay_ms is None:
            delay_ms = step.options.retries.delay_ms(step.attempt)
        times = self.started_ms, now_ms
        return AttemptFailed(*self._facts(), *times, error, now_ms + delay_ms, kind, call)

    def _facts(self) -> tuple[int, str, int, int, int]:
        key = self.step.key
        return self.run, key.name, key.occurrence, self.step.attempt, self.epoch
