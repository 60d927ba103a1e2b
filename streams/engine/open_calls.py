"""The calls of one run that have not finished, and how steps get their identity."""

from collections.abc import Iterator
from dataclasses import dataclass

from stepwell.schemas.commands import StepKind
from stepwell.streams.engine.calls import BodyCall, Call
from stepwell.streams.engine.errors import StepLimitExceeded
from stepwell.streams.engine.limits import NEAR_PERCENT
from stepwell.streams.engine.names import StepKey, check_step_name


@dataclass(slots=True)
class StepCount:
    """How many steps may be asked for, and how many were; only `do` counts."""

    allowed: int
    asked: int = 0

    @property
    def is_near(self) -> bool:
        """Whether so many were asked for that somebody should know."""
        return self.asked * 100 >= self.allowed * NEAR_PERCENT


class OpenCalls:
    """Calls by their steps. A step is its kind, its name, and how often that was asked for."""

    def __init__(self, steps_max: int) -> None:
        self.index = 0
        """How many calls were made so far: the place of the last one."""
        self.bodies = 0
        """How many of the open calls have a body to run."""
        self.steps = StepCount(steps_max)
        self._counts: dict[tuple[str, str], int] = {}
        self._calls: dict[StepKey, Call] = {}

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls.values())

    def __len__(self) -> int:
        return len(self._calls)

    def identify(self, kind: StepKind, name: str) -> tuple[StepKey, int]:
        """The step that is asked for now, and its place; raises `StepLimitExceeded`."""
        count = self._counts.get((kind, name), 0) + 1
        if count == 1:
            check_step_name(name)
        if kind is StepKind.DO:
            self.steps.asked += 1
            if self.steps.asked > self.steps.allowed:
                raise StepLimitExceeded(self.steps.allowed)
        self._counts[kind, name] = count
        self.index += 1
        return StepKey(name, count, kind), self.index

    def identify_rollback(self, name: str, occurrence: int) -> tuple[StepKey, int]:
        """The rollback of a step has the name and the number of the step."""
        seen = self._counts.get((StepKind.ROLLBACK, name), 0)
        self._counts[StepKind.ROLLBACK, name] = max(seen, occurrence)
        self.index += 1
        return StepKey(name, occurrence, StepKind.ROLLBACK), self.index

    def was_asked_for(self, step: StepKey) -> bool:
        """Whether there was ever a call of this step."""
        return step.occurrence <= self._counts.get((step.kind, step.name), 0)

    def add(self, call: Call) -> None:
        """A call has been made."""
        self._calls[call.key] = call
        self.bodies += isinstance(call, BodyCall)

    def remove(self, call: Call) -> None:
        """It has finished, or nobody waits for it any more."""
        del self._calls[call.key]
        self.bodies -= isinstance(call, BodyCall)

    def get(self, step: StepKey) -> Call | None:
        """The open call of a step."""
        return self._calls.get(step)

    def clear(self) -> None:
        """Forget all of them."""
        self._calls.clear()
        self.bodies = 0

    def in_words(self) -> str:
        """What the code waits for."""
        return ", ".join(f"step {str(key)!r}" for key in self._calls) or "nothing that is recorded"
