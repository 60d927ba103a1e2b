"""How many instances of a workflow may run at a time, and how fast they may begin to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stepwell.streams.engine.durations import Duration, to_ms
from stepwell.streams.engine.errors import InvalidDefinition


@dataclass(frozen=True, slots=True)
class Rate:
    """So many per period, evenly refilled."""

    count: int
    per: Duration

    def __post_init__(self) -> None:
        if self.count < 1 or to_ms(self.per) == 0:
            raise InvalidDefinition(f"a rate of {self.count} per {self.per!r} lets nothing through")


@dataclass(frozen=True, slots=True)
class Places:
    """Limits that one worker keeps for one workflow; instances over a limit are queued.

    An instance takes its place when it has a step to run and gives it back while it only waits.
    """

    running_max: int | None = None
    key: Callable[[Any], str] | None = None
    """From the parameters: what `running_max_per_key` and `rate_per_key` count by."""
    running_max_per_key: int | None = None
    rate: Rate | None = None
    rate_per_key: Rate | None = None

    def __post_init__(self) -> None:
        for limit in (self.running_max, self.running_max_per_key):
            if limit is not None and limit < 1:
                raise InvalidDefinition(f"a limit of {limit} running instances lets none run")
        if self.key is None and (self.running_max_per_key or self.rate_per_key):
            raise InvalidDefinition("limits per key need key=, which makes the key of parameters")
