"""Something asynchronous in a thread of its own, with a loop of its own, that can be cancelled."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class LoopThread(Generic[T]):
    """Runs once. The thread does not keep the process from ending."""

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._stop: Callable[[], object] | None = None
        self._is_cancelled = False

    async def run(self) -> T:
        """What comes of it. Whoever stops waiting cancels it."""
        done: Future[T] = Future()
        threading.Thread(target=self._run, args=(done,), name="replay", daemon=True).start()
        try:
            return await asyncio.wrap_future(done)
        except asyncio.CancelledError:
            self.cancel()
            raise

    def cancel(self) -> None:
        """End it soon. Idempotent."""
        self._is_cancelled = True
        if self._stop is not None:
            with suppress(RuntimeError):  # its loop is closed: it has ended
                self._stop()

    def _run(self, done: "Future[T]") -> None:
        done.set_running_or_notify_cancel()
        try:
            done.set_result(asyncio.run(self._main()))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            done.set_exception(error)

    async def _main(self) -> T:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        self._stop = lambda: loop.call_soon_threadsafe(task.cancel)
        if self._is_cancelled:
            raise asyncio.CancelledError
        return await self._make()
