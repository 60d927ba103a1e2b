"""When a failed attempt is tried again. Defaults and formulas are Cloudflare Workflows'."""

from dataclasses import dataclass
from enum import StrEnum

from stepwell.streams.engine.durations import Duration, to_ms
from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.engine.limits import RETRIES_MAX, SLEEP_MS_MAX


class Backoff(StrEnum):
    """How the delay grows with the number of the failed attempt."""

    CONSTANT = "constant"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True)
class Retries:
    """Try again up to `limit` times, `delay` apart, growing by `backoff`."""

    limit: int = 5
    delay: Duration = "10 seconds"
    backoff: Backoff | str = Backoff.EXPONENTIAL

    def __post_init__(self) -> None:
        if not isinstance(self.limit, int) or not 0 <= self.limit <= RETRIES_MAX:
            raise InvalidDefinition(f"retries limit {self.limit!r} is not in 0 to {RETRIES_MAX}")
        to_ms(self.delay)
        if self.backoff not in list(Backoff):
            raise InvalidDefinition(f"backoff {self.backoff!r} is not one of {', '.join(Backoff)}")

    def delay_ms(self, attempt: int) -> int:
        """The wait after failed attempt `attempt` (from 1)."""
        base_ms = to_ms(self.delay)
        if self.backoff == Backoff.LINEAR:
            return min(base_ms * attempt, SLEEP_MS_MAX)
        if self.backoff == Backoff.EXPONENTIAL:
            return min(base_ms << min(attempt - 1, 64), SLEEP_MS_MAX)
        return base_ms


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How a step is carried out: its retries, and the longest time that one attempt may take."""

    retries: Retries
    timeout_ms: int


DEFAULT_TIMEOUT_MS = 10 * 60 * 1000
DEFAULT_OPTIONS = StepOptions(Retries(), DEFAULT_TIMEOUT_MS)


def step_options(retries: Retries | None, timeout: Duration | None) -> StepOptions:
    """The options of a step, defaults filled in; raises `InvalidDefinition`."""
    if retries is None and timeout is None:
        return DEFAULT_OPTIONS
    timeout_ms = DEFAULT_TIMEOUT_MS if timeout is None else to_ms(timeout)
    if timeout_ms == 0:
        raise InvalidDefinition("a timeout of 0 would fail every attempt")
    return StepOptions(retries or DEFAULT_OPTIONS.retries, timeout_ms)
