"""The workflows that a worker carries: by name, each with its bindings."""

from collections.abc import Iterable, Iterator
from typing import Any

from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.engine.triggers import EventTrigger
from stepwell.streams.engine.workflow import Workflow


class Workflows:
    """Workflow classes and the `env` that their objects are given; made once per worker."""

    def __init__(self, bound: Iterable[tuple[type[Workflow], Any]] = ()) -> None:
        self._bound: dict[str, tuple[type[Workflow], Any]] = {}
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

    def create(self, name: str) -> Workflow | None:
        """A fresh object of the workflow, or None when there is none of that name."""
        bound = self._bound.get(name)
        return bound[0](bound[1]) if bound else None

    def triggers(self) -> Iterator[tuple[str, EventTrigger]]:
        """Every declared trigger with the name of its workflow."""
        for name, (workflow, _) in self._bound.items():
            for trigger in workflow.triggers:
                yield name, trigger


def _place(workflow: type[Workflow]) -> str:
    return f"{workflow.__module__}.{workflow.__qualname__}"
