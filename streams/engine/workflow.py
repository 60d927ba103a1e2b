"""What a workflow author writes against: `Workflow`, `WorkflowEvent` and `Step`."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, ClassVar, Generic, Never, Protocol, TypeVar, overload
from uuid import UUID

from stepwell.schemas.events import Json
from stepwell.schemas.parts import Retention
from stepwell.streams.engine.compensation import RollbackContext
from stepwell.streams.engine.durations import Duration
from stepwell.streams.engine.names import check_workflow_name, default_workflow_name
from stepwell.streams.engine.places import Places
from stepwell.streams.engine.racing import RaceResult
from stepwell.streams.engine.retry import Retries
from stepwell.streams.engine.triggers import Trigger

P = TypeVar("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """The cron expression that started an instance, and the time that was meant."""

    cron: str
    scheduled_time: datetime


@dataclass(frozen=True, slots=True)
class WorkflowEvent(Generic[P]):
    """What started the instance. `payload` has the type that `run` annotates it with."""

    payload: P
    timestamp: datetime
    instance_id: str
    workflow_name: str
    schedule: CronSchedule | None = None


@dataclass(frozen=True, slots=True)
class StepContext:
    """Given to a step body that has a parameter annotated with this type.

    `idempotency_key` is the same for every attempt of the step: pass it to services that take one.
    """

    step: str
    occurrence: int
    attempt: int
    idempotency_key: str
    owner_epoch: int
    retries: Retries
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """What `step.wait_for_event` gives back."""

    type: str
    payload: Any
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class StreamResult:
    """The recorded result of a step whose body yields; may be read any number of times."""

    chunks: tuple[Any, ...]

    async def __aiter__(self) -> AsyncIterator[Any]:
        for chunk in self.chunks:
            yield chunk

    def read(self) -> bytes | str:
        """All chunks as one: text if they are text, else bytes."""
        if self.chunks and isinstance(self.chunks[0], str):
            return "".join(self.chunks)
        return b"".join(self.chunks)


class Step(Protocol):
    """The second argument of `run`: every touch of the outside world goes through it.

    A step is known by its kind, its name, and how often that name was asked for before.
    """

    @overload
    async def do(
        self,
        name: str,
        function: Callable[..., Awaitable[T]],
        *args: Any,
        retries: Retries | None = None,
        timeout: Duration | None = None,
        rollback: Callable[[RollbackContext], Any] | None = None,
        rollback_retries: Retries | None = None,
        rollback_timeout: Duration | None = None,
        sensitive: bool = False,
    ) -> T: ...

    @overload
    async def do(
        self,
        name: str,
        function: Callable[..., AsyncIterator[Any]],
        *args: Any,
        retries: Retries | None = None,
        timeout: Duration | None = None,
        rollback: Callable[[RollbackContext], Any] | None = None,
        rollback_retries: Retries | None = None,
        rollback_timeout: Duration | None = None,
        sensitive: bool = False,
    ) -> StreamResult: ...

    @overload
    async def do(
        self,
        name: str,
        function: Callable[..., T],
        *args: Any,
        retries: Retries | None = None,
        timeout: Duration | None = None,
        rollback: Callable[[RollbackContext], Any] | None = None,
        rollback_retries: Retries | None = None,
        rollback_timeout: Duration | None = None,
        sensitive: bool = False,
    ) -> T: ...

    async def do(  # noqa: PLR0913 - the options of a step
        self,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        retries: Retries | None = None,
        timeout: Duration | None = None,
        rollback: Callable[[RollbackContext], Any] | None = None,
        rollback_retries: Retries | None = None,
        rollback_timeout: Duration | None = None,
        sensitive: bool = False,
    ) -> Any:
        """Run `function(*args)` durably and give back its recorded result.

        The body may run more than once, its result is recorded at most once. Plain functions run in
        a thread; what an async generator yields becomes a `StreamResult`. A failed attempt is tried
        again as `retries` says, each limited to `timeout`; in the end `StepError` is raised here.
        If the instance fails later, `rollback` is run, the step that started last first. The result
        of a `sensitive` step is shown to nobody but the workflow.
        """
        ...

    async def map(  # noqa: PLR0913 - the options of a step
        self,
        name: str,
        function: Callable[..., Any],
        items: Iterable[Any],
        *,
        concurrency: int = 100,
        retries: Retries | None = None,
        timeout: Duration | None = None,
    ) -> list[Any]:
        """One step for each item, `concurrency` at a time; their results in the order of the items.

        The first `StepError` cancels the others and is raised.
        """
        ...

    async def race(self, *contestants: Awaitable[T]) -> RaceResult[T]:
        """The first of several to end, by the journal's order; the others are cancelled."""
        ...

    async def sleep(self, name: str, duration: Duration) -> None:
        """Go on after `duration`, counted from when the sleep is first recorded."""
        ...

    async def sleep_until(self, name: str, when: datetime) -> None:
        """Go on at `when`, which must have a time zone; at once when it has passed."""
        ...

    async def wait_for_event(
        self,
        name: str,
        *,
        type: str,  # noqa: A002 - reads best at the call site
        timeout: Duration = "24 hours",
        match: Mapping[str, Json] | None = None,
    ) -> ReceivedEvent:
        """The oldest event of this type that was sent to the instance and that nobody has taken.

        With `match` its payload must have these values at these paths (`{"order.id": 7}`). Raises
        `EventTimeout` when none comes in time.
        """
        ...

    async def child(  # noqa: PLR0913 - the options of a step
        self,
        name: str,
        workflow: "type[Workflow] | str",
        params: Any = None,
        *,
        instance_id: str | None = None,
        detach: bool = False,
        schedule: CronSchedule | None = None,
    ) -> Any:
        """Start another workflow and give back its output; `ChildError` if it does not complete.

        With `detach` it gives back the id of the child as soon as that exists. A child that is
        awaited when its parent gives up is cancelled. The event of the child shows `schedule`.
        """
        ...

    def continue_as_new(self, params: Any = None) -> Never:
        """End this run and begin another one with these parameters and an empty history."""
        ...

    def patched(self, name: str) -> bool:
        """Whether this place was first reached by code that has this change: true in new runs."""
        ...

    def now(self) -> datetime:
        """The time of the last recorded event of this run: the same in every replay."""
        ...

    def random(self) -> Random:
        """Random numbers that are the same in every replay."""
        ...

    def uuid(self) -> UUID:
        """A new UUID that is the same in every replay."""
        ...


class Workflow(ABC):
    """Base of every workflow. `class EmbedIssue(Workflow, name="embed-issue")`; `run` is the code.

    The name is part of stored keys: without `name=` it is derived from the class name, and renaming
    the class then leaves its instances behind.
    """

    name: ClassVar[str]
    triggers: ClassVar[tuple[Trigger, ...]] = ()
    steps_max: ClassVar[int | None] = None
    """How many `step.do` one run may ask for; None: the default of 10,000."""
    retention: ClassVar[Retention | None] = None
    """How long finished instances are kept; None: as the worker's settings say."""
    places: ClassVar[Places | None] = None
    """How many instances may have steps running at a time, in all and by key, in one worker."""
    env: Any

    def __init__(self, env: Any = None) -> None:
        self.env = env

    def __init_subclass__(cls, *, name: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.name = check_workflow_name(name or default_workflow_name(cls.__name__))

    @abstractmethod
    async def run(self, event: WorkflowEvent[Any], step: Step) -> Any:
        """The workflow. Deterministic between steps: no clock, no I/O, no randomness."""
