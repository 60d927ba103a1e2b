"""What workflow code waits for: one class for each kind of step, each knowing its own effects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stepwell.schemas.events import Json
from stepwell.schemas.parts import Schedule
from stepwell.streams.engine.effects import (
    Effect,
    RunStep,
    SetTimer,
    StartChild,
    StartSleep,
    StartWait,
)
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.retry import StepOptions

if TYPE_CHECKING:
    from asyncio import Future


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """A step that was asked for and has not finished; `index` is its place among all, from 1."""

    key: StepKey
    index: int
    future: "Future[Any]"

    def effect(self) -> Effect | None:
        """What the runtime has to do for it now; None when it only has to wait."""
        raise NotImplementedError

    def shift(self, ms: int) -> None:
        """The instance was paused for so long, which does not count."""


@dataclass(slots=True, kw_only=True, eq=False)
class BodyCall(Call):
    """A step body, of a step or of its rollback."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    options: StepOptions
    attempt: int = 1
    not_before_ms: int = 0
    chunks: list[Any] = field(default_factory=list)

    def effect(self) -> RunStep:
        """Run the body."""
        return RunStep(
            self.key,
            self.function,
            self.args,
            self.options,
            self.attempt,
            self.not_before_ms,
            self.index,
        )

    def shift(self, ms: int) -> None:
        """The delay before the next attempt."""
        if self.not_before_ms:
            self.not_before_ms += ms


@dataclass(slots=True, kw_only=True, eq=False)
class TimedCall(Call):
    """A step that ends at `due_ms` at the latest, once that is recorded."""

    due_ms: int | None = None

    def shift(self, ms: int) -> None:
        """The time at which it ends."""
        if self.due_ms is not None:
            self.due_ms += ms


@dataclass(slots=True, kw_only=True, eq=False)
class SleepCall(TimedCall):
    """A sleep for `duration_ms`, or until a point in time."""

    duration_ms: int
    until_ms: int | None

    def effect(self) -> StartSleep | SetTimer:
        """Record it, then wait for its timer."""
        if self.due_ms is not None:
            return SetTimer(self.key, self.due_ms)
        return StartSleep(self.key, self.index, self.duration_ms, self.until_ms)


@dataclass(slots=True, kw_only=True, eq=False)
class WaitCall(TimedCall):
    """A wait for an event."""

    event_type: str
    match: Mapping[str, Json]
    timeout_ms: int

    def effect(self) -> StartWait | SetTimer:
        """Record it, then wait for its timer."""
        if self.due_ms is not None:
            return SetTimer(self.key, self.due_ms)
        return StartWait(self.key, self.index, self.event_type, self.match, self.timeout_ms)


@dataclass(slots=True, kw_only=True, eq=False)
class ChildCall(Call):
    """Another instance that was started, or is waited for."""

    workflow: str
    instance: str
    params: Any
    awaited: bool
    decode: Callable[[Json], Any]
    schedule: Schedule | None = None

    def effect(self) -> StartChild:
        """Create it, which does nothing when it exists."""
        return StartChild(
            self.key,
            self.index,
            self.workflow,
            self.instance,
            self.params,
            self.awaited,
            self.schedule,
        )


def due(call: Call | None, at_ms: int) -> list[Effect]:
    """It is on record when this sleep or wait ends: what has to be done about it now."""
    if not isinstance(call, TimedCall):
        return []
    call.due_ms = at_ms
    effect = call.effect()
    return [effect] if effect else []
