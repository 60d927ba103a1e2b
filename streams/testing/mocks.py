"""What a test has changed about instances: results, errors, sleeps, delays, timeouts, events."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from stepwell.schemas.commands import StepKind
from stepwell.schemas.events import Json
from stepwell.schemas.journal import AttemptFailed, JournalRecord, SleepStarted, WaitStarted
from stepwell.streams.engine.effects import RunStep
from stepwell.streams.engine.errors import StepTimeout
from stepwell.streams.engine.workflow import StreamResult
from stepwell.streams.testing.errors import MockedTwice


@dataclass(slots=True)
class Names:
    """Some names, or every name."""

    every: bool = False
    some: set[str] = field(default_factory=set)

    def add(self, names: Iterable[str] | None) -> None:
        """Add these; None: every name."""
        self.every = self.every or names is None
        self.some |= {names} if isinstance(names, str) else set(names or ())

    def update(self, other: "Names") -> None:
        """Add those of another."""
        self.every = self.every or other.every
        self.some |= other.some

    def clear(self) -> None:
        """Have no name any more."""
        self.every = False
        self.some.clear()

    def __contains__(self, name: str) -> bool:
        return self.every or name in self.some


@dataclass(frozen=True, slots=True)
class StepMock:
    """What runs in place of a step body, in its first `times` attempts (None: in all)."""

    body: Callable[[RunStep], Awaitable[Any]]
    times: int | None = None


@dataclass(slots=True)
class Mocks:
    """The changes for one instance, or for those that are created later."""

    sleeps: Names = field(default_factory=Names)
    retry_delays: Names = field(default_factory=Names)
    event_timeouts: Names = field(default_factory=Names)
    events: list[tuple[str, Json]] = field(default_factory=list)
    steps: dict[tuple[str, int | None], StepMock] = field(default_factory=dict)

    def add_step(self, name: str, occurrence: int | None, mock: StepMock) -> None:
        """Mock a step, one occurrence of it or all; raises `MockedTwice`."""
        if (name, occurrence) in self.steps:
            raise MockedTwice(name)
        self.steps[name, occurrence] = mock

    def update(self, other: "Mocks") -> None:
        """Add the changes of another, which win where they are about the same step."""
        self.sleeps.update(other.sleeps)
        self.retry_delays.update(other.retry_delays)
        self.event_timeouts.update(other.event_timeouts)
        self.events += other.events
        self.steps |= other.steps

    def clear(self) -> None:
        """Change nothing any more."""
        for names in (self.sleeps, self.retry_delays, self.event_timeouts):
            names.clear()
        self.events.clear()
        self.steps.clear()

    def step(self, step: RunStep) -> RunStep:
        """The step with the body that is to be run."""
        name, occurrence, kind = step.key
        mock = self.steps.get((name, occurrence)) or self.steps.get((name, None))
        if kind != StepKind.DO or mock is None:
            return step
        if mock.times is not None and step.attempt > mock.times:
            return step
        return step._replace(function=mock.body, args=(step,))

    def record(self, record: JournalRecord) -> JournalRecord:
        """The record that is to be written: the time that it waits for may have come already."""
        match record:
            case SleepStarted() if record.step in self.sleeps:
                return replace(record, wake_at_ms=min(record.wake_at_ms, record.at_ms))
            case AttemptFailed() if record.step in self.retry_delays:
                return replace(record, retry_at_ms=record.at_ms)
            case WaitStarted() if record.step in self.event_timeouts:
                return replace(record, timeout_at_ms=record.at_ms)
            case _:
                return record


def returns(value: Any) -> Callable[[RunStep], Awaitable[Any]]:
    """A body that returns a value, or yields what an async iterable yields, as often as asked."""
    chunks: list[Any] | None = None

    async def body(_step: RunStep) -> Any:
        nonlocal chunks
        if not isinstance(value, AsyncIterable):
            return value
        if chunks is None:
            chunks = [chunk async for chunk in value]
        return StreamResult(tuple(chunks))

    return body


def fails(error: Exception) -> Callable[[RunStep], Awaitable[Any]]:
    """A body that raises an error."""

    async def body(_step: RunStep) -> Any:
        raise error

    return body


async def times_out(step: RunStep) -> Any:
    """A body that takes too long, without taking any time."""
    raise StepTimeout(step.options.timeout_ms)
