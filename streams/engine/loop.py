"""The deterministic event loop that workflow code runs on: a ready queue, futures and tasks.

It has no clock, no sockets and no threads. It never waits: `drain()` runs until nothing is ready.
It is driven from inside the worker's own running loop, which it replaces for the time of a drain.
"""

import asyncio
import sys
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Never

from stepwell.streams.engine.errors import SideEffectOutsideStep

CancelledError = asyncio.CancelledError

_NO_CLOCK = "use step.sleep() to wait and the timeout= of a step to limit it"
_NO_IO = "do it in a step: step.do(name, function, ...)"


class _Ready:
    """A callback that is due; what `call_soon` gives back."""

    __slots__ = ("args", "callback", "context", "is_cancelled")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled


class DeterministicLoop(asyncio.AbstractEventLoop):
    """Runs tasks in the order in which they became ready, and nothing else."""

    def __init__(self) -> None:
        self._ready: deque[_Ready] = deque()
        self._draining = False
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def drain(self) -> None:
        """Run everything that is ready, and what that makes ready, until nothing is."""
        ready = self._ready
        outer = events._get_running_loop()
        outer_task = _swap_current_task(outer, None)
        events._set_running_loop(self)
        self._draining = True
        try:
            while ready:
                item = ready.popleft()
                if item.is_cancelled:
                    continue
                if item.context is None:
                    item.callback(*item.args)
                else:
                    item.context.run(item.callback, *item.args)
        finally:
            self._draining = False
            events._set_running_loop(outer)
            _swap_current_task(outer, outer_task)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> _Ready:
        """Queue a callback behind everything that is ready."""
        item = _Ready(callback, args, context)
        self._ready.append(item)
        return item

    def create_future(self) -> "asyncio.Future[Any]":
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
        **options: Any,
    ) -> "asyncio.Task[Any]":
        """A task of this loop; eager starting is refused, since order must not depend on it."""
        options.pop("eager_start", None)
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    def cancel_tasks(self) -> None:
        """Cancel every task that has not ended, in the order in which they were made."""
        for task in list(self._tasks):
            task.cancel()

    def get_debug(self) -> bool:
        """Always false: debug mode reads a clock."""
        return False

    def is_running(self) -> bool:
        """Whether a drain is under way."""
        return self._draining

    def is_closed(self) -> bool:
        """Never: there is nothing to close."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Ignored: when it is called depends on when objects are freed."""


def _refuse(name: str, advice: str) -> Callable[..., Never]:
    def refused(*_args: object, **_options: object) -> Never:
        raise SideEffectOutsideStep(name, advice)

    refused.__name__ = name
    refused.__doc__ = f"Refused: {advice}."
    return refused


# Every other method of an event loop is a way to the outside world or to a clock.
for _name in ("call_later", "call_at", "time"):
    setattr(DeterministicLoop, _name, _refuse(f"{_name} (asyncio.sleep, wait_for)", _NO_CLOCK))
for _name in sorted(set(dir(asyncio.AbstractEventLoop)) - set(vars(DeterministicLoop))):
    if not _name.startswith("__") and callable(getattr(asyncio.AbstractEventLoop, _name)):
        setattr(DeterministicLoop, _name, _refuse(_name, _NO_IO))


if sys.version_info >= (3, 12):
    _swap_in = asyncio.tasks._swap_current_task  # type: ignore[attr-defined]

    def _swap_current_task(
        loop: asyncio.AbstractEventLoop | None, task: "asyncio.Task[Any] | None"
    ) -> "asyncio.Task[Any] | None":
        """From 3.14 on a task may not be entered while another one of the thread is current."""
        if loop is None:
            return None
        previous: asyncio.Task[Any] | None = _swap_in(loop, task)
        return previous

else:

    def _swap_current_task(
        loop: asyncio.AbstractEventLoop | None,  # noqa: ARG001
        task: "asyncio.Task[Any] | None",  # noqa: ARG001
    ) -> "asyncio.Task[Any] | None":
        """Current tasks are kept per loop: nothing to swap."""
        return None
