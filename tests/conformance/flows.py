"""Workflows given as functions: `flow(run)` makes a class of one."""

from collections.abc import Awaitable, Callable
from typing import Any

from stepwell.streams import Retries, Step, Workflow, WorkflowEvent

Run = Callable[[WorkflowEvent[Any], Step], Awaitable[Any]]
AT_ONCE = Retries(limit=5, delay=0)


def flow(run: Run, name: str = "flow", **attributes: Any) -> type[Workflow]:
    """A workflow whose code is this function."""

    async def carry(_self: Workflow, event: WorkflowEvent[Any], step: Step) -> Any:
        return await run(event, step)

    return type("Flow", (Workflow,), {"run": carry, **attributes}, name=name)


class Body:
    """A step body that fails first and remembers its calls."""

    def __init__(self, *ends: Any) -> None:
        self.ends = list(ends)
        self.calls = 0

    def __call__(self, *_args: Any) -> Any:
        self.calls += 1
        end = self.ends.pop(0) if self.ends else "done"
        if isinstance(end, Exception):
            raise end
        return end


def value(given: Any = "value") -> Any:
    """The simplest body."""
    return given
