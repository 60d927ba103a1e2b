"""What a workflow author writes against: `Workflow`, `WorkflowEvent` and `Step`."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar, overload

from stepwell.streams.engine.durations import Duration
from stepwell.streams.engine.names import check_workflow_name, default_workflow_name
from stepwell.streams.engine.retry import Retries
from stepwell.streams.engine.triggers import EventTrigger

P = TypeVar("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WorkflowEvent(Generic[P]):
    """What started the instance. `payload` has the type that `run` annotates it with."""

    payload: P
    timestamp: datetime
    instance_id: str
    workflow_name: str


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


class Step(Protocol):
    """The second argument of `run`: every touch of the outside world goes through it."""

    @overload
    async def do(
        self,
        name: str,
        function: Callable[..., Awaitable[T]],
        *args: Any,
        retries: Retries | None = None,
        timeout: Duration | None = None,
    ) -> T: ...

    @overload
    async def do(
        self,
        name: str,
        function: Callable[..., T],
        *args: Any,
        retries: Retries | None = None,
        timeout: Duration | None = None,
    ) -> T: ...

    async def do(
        self,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        retries: Retries | None = None,
        timeout: Duration | None = None,
    ) -> Any:
        """Run `function(*args)` durably and give back its recorded result.

        The body may run more than once, its result is recorded at most once. Plain functions run in
        a thread. A failed attempt is tried again as `retries` says, each limited to `timeout`; in
        the end `StepError` is raised here.
        """
        ...


class Workflow(ABC):
    """Base of every workflow. `class EmbedIssue(Workflow, name="embed-issue")`; `run` is the code.

    The name is part of stored keys: without `name=` it is derived from the class name, and renaming
    the class then leaves its instances behind.
    """

    name: ClassVar[str]
    triggers: ClassVar[tuple[EventTrigger, ...]] = ()
    env: Any

    def __init__(self, env: Any = None) -> None:
        self.env = env

    def __init_subclass__(cls, *, name: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.name = check_workflow_name(name or default_workflow_name(cls.__name__))

    @abstractmethod
    async def run(self, event: WorkflowEvent[Any], step: Step) -> Any:
        """The workflow. Deterministic between steps: no clock, no I/O, no randomness."""
