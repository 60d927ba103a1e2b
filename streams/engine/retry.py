"""When a failed attempt is tried again. Defaults and formulas are Cloudflare Workflows'."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.engine.durations import Duration, to_ms
from stepwell.streams.engine.errors import InvalidDefinition, NonRetryableError
from stepwell.streams.engine.limits import DELAY_BUDGET_MS, RETRIES_MAX, SLEEP_MS_MAX

if TYPE_CHECKING:
    from stepwell.streams.engine.workflow import StepContext

DelayFunction: TypeAlias = Callable[["StepContext", Exception], Duration | Awaitable[Duration]]
"""Gives the delay from the context of the failed attempt and its error; has 5 seconds for it."""


class RetryDelayFailed(NonRetryableError):
    """The function that should have given the delay gave none: the step ends with its attempt."""

    def __init__(self, step: str, problem: str, attempt_error: ErrorInfo) -> None:
        super().__init__(
            f"the retry delay function of step {step!r} {problem}; it must give a duration within "
            f"{DELAY_BUDGET_MS} ms. The attempt had failed with "
            f"{attempt_error.name}: {attempt_error.message}"
        )


class Backoff(StrEnum):
    """How the delay grows with the number of the failed attempt."""

    CONSTANT = "constant"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True)
class Retries:
    """Try again up to `limit` times, `delay` apart, growing by `backoff` up to `delay_max`.

    `jitter` takes a random share of up to so much off each delay: 0 nothing, 1 up to all of it.
    """

    limit: int = 5
    delay: Duration | DelayFunction | None = "10 seconds"
    """A function is called after each failed attempt; `StepContext` shows None in its place."""
    backoff: Backoff | str = Backoff.EXPONENTIAL
    delay_max: Duration | None = None
    jitter: float = 0.0

    def __post_init__(self) -> None:
        if type(self.limit) is not int or not 0 <= self.limit <= RETRIES_MAX:
            raise InvalidDefinition(
                f"retries limit {self.limit!r} is not a whole number in 0 to {RETRIES_MAX}"
            )
        if not callable(self.delay):
            to_ms(self.delay)  # type: ignore[arg-type] # refuses None too
        if not isinstance(self.backoff, str) or self.backoff not in list(Backoff):
            raise InvalidDefinition(f"backoff {self.backoff!r} is not one of {', '.join(Backoff)}")
        if self.delay_max is not None:
            to_ms(self.delay_max)
        if type(self.jitter) not in (int, float) or not 0 <= self.jitter <= 1:
            raise InvalidDefinition(f"jitter {self.jitter!r} is not a number in 0 to 1")

    def delay_ms(self, attempt: int, *, base_ms: int | None = None, chance: float = 0.0) -> int:
        """The wait after failed attempt `attempt` (from 1).

        `base_ms` is what the delay function gave; `chance` is a random number in 0 to 1.
        """
        if base_ms is None:
            base_ms = to_ms(self.delay)  # type: ignore[arg-type] # callers ask functions first
        if self.backoff == Backoff.LINEAR:
            base_ms *= attempt
        elif self.backoff == Backoff.EXPONENTIAL:
            base_ms <<= min(attempt - 1, 64)
        longest_ms = SLEEP_MS_MAX if self.delay_max is None else to_ms(self.delay_max)
        return round(min(base_ms, longest_ms) * (1 - self.jitter * chance))

    def shown(self) -> "Retries":
        """As a step body may see it: with None in the place of a delay function."""
        if not callable(self.delay):
            return self
        shown = replace(self, delay=0)
        object.__setattr__(shown, "delay", None)  # what nobody may write
        return shown


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How a step is carried out: its retries, and the longest time that one attempt may take."""

    retries: Retries
    timeout_ms: int
    sensitive: bool = False


DEFAULT_TIMEOUT_MS = 10 * 60 * 1000
DEFAULT_OPTIONS = StepOptions(Retries(), DEFAULT_TIMEOUT_MS)


def step_options(
    retries: Retries | None, timeout: Duration | None, *, sensitive: bool = False
) -> StepOptions:
    """The options of a step, defaults filled in; raises `InvalidDefinition`."""
    if retries is None and timeout is None and not sensitive:
        return DEFAULT_OPTIONS
    if retries is not None and not isinstance(retries, Retries):
        raise InvalidDefinition(f"retries is a `Retries`, not {retries!r}")
    if not isinstance(sensitive, bool):
        raise InvalidDefinition(f"sensitive is True or False, not {sensitive!r}")
    timeout_ms = DEFAULT_TIMEOUT_MS if timeout is None else to_ms(timeout)
    if timeout_ms == 0:
        raise InvalidDefinition("a timeout of 0 would fail every attempt")
    return StepOptions(retries or DEFAULT_OPTIONS.retries, timeout_ms, sensitive)
