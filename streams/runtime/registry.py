"""The workflows that a worker carries: by name, each with its bindings and its triggers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from stepwell.schemas import codec
from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.engine.triggers import (
    CronTrigger,
    EventTrigger,
    MessageTrigger,
    WorkflowTrigger,
)
from stepwell.streams.engine.workflow import Workflow
from stepwell.streams.runtime.schedules import Plan, Schedule, plan_of, schedule_created
from stepwell.streams.spans import Tracing

if TYPE_CHECKING:
    from stepwell.streams.metrics import Metrics

T = TypeVar("T")
Measure = Callable[["Metrics"], None]


class Workflows:
    """Workflow classes and the `env` that their objects are given; made once per worker.

    The workflow that carries cron triggers is always among them.
    """

    def __init__(
        self,
        bound: Iterable[tuple[type[Workflow], Any]] = (),
        *,
        measure: "Measure | None" = None,
        trace: Callable[[Tracing], None] | None = None,
    ) -> None:
        """`measure` is called once with the worker's metrics: bindings may be added to them.

        So is `trace`, with what traces.
        """
        self.measure = measure
        self.trace = trace
        self._bound: dict[str, tuple[type[Workflow], Any]] = {}
        self.add(Schedule, self._is_scheduled)
        for workflow, env in bound:
            self.add(workflow, env)

    def add(self, workflow: type[Workflow], env: Any = None) -> None:
        """Carry this workflow; raises `InvalidDefinition` when another class has its name."""
        other, _ = self._bound.get(workflow.name, (workflow, None))
        if other is not workflow:
            raise InvalidDefinition(
                f"two workflows are named {workflow.name!r}: {_place(other)} and {_place(workflow)}"
            )
        self._bound[workflow.name] = (workflow, env)

    @property
    def names(self) -> Sequence[str]:
        """The names of all."""
        return tuple(self._bound)

    def create(self, name: str) -> Workflow | None:
        """A fresh object of the workflow, or None when there is none of that name."""
        bound = self._bound.get(name)
        return bound[0](bound[1]) if bound else None

    def triggers(self) -> Iterator[tuple[str, EventTrigger]]:
        """Every trigger that starts an instance for an event, with the name of its workflow."""
        return self._declared(EventTrigger)

    def messages(self) -> Iterator[tuple[str, MessageTrigger]]:
        """Every trigger that sends an event to an instance, with the name of its workflow."""
        return self._declared(MessageTrigger)

    def followers(self, workflow: str, status: str) -> Sequence[str]:
        """The workflows to start when an instance of this one ends so."""
        return [
            name
            for name, trigger in self._declared(WorkflowTrigger)
            if trigger.workflow == workflow and status in trigger.statuses
        ]

    def schedules(self, now_ms: int) -> Iterator[tuple[bytes, bytes]]:
        """Key and record of each cron trigger's schedule: a worker appends them when it starts."""
        for plan in self._plans(now_ms):
            yield plan.key.encode(), codec.encode(schedule_created(plan))

    def _is_scheduled(self, schedule_id: str) -> bool:
        return any(plan.key.instance == schedule_id for plan in self._plans(0))

    def _plans(self, now_ms: int) -> Iterator[Plan]:
        for name, trigger in self._declared(CronTrigger):
            yield plan_of(name, trigger, now_ms)

    def _declared(self, kind: type[T]) -> Iterator[tuple[str, T]]:
        for name, (workflow, _) in self._bound.items():
            for trigger in workflow.triggers:
                if isinstance(trigger, kind):
                    yield name, trigger


def _place(workflow: type[Workflow]) -> str:
    return f"{workflow.__module__}.{workflow.__qualname__}"
