"""The micro-batcher: texts of all callers meet here and run together.

    submit ─▶ arrived ─tokenise─▶ ready, by length ─run a group─▶ each caller's future

There is no timer: a free core takes what is there, and while all cores are busy texts gather and
form groups. At most `READY_TEXTS_MAX` texts are tokenised ahead; later ones wait with their
callers, first come first served. The text of a cancelled future is dropped. When a batch fails,
its texts are tried again one by one, so a bad text fails only its own caller. Both steps are
functions: this file knows nothing of models.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

from stepwell.models.arrays import Ids, Vector, Vectors
from stepwell.models.batching import LengthQueue
from stepwell.models.errors import EmbedderClosed

READY_TEXTS_MAX = 1024
TEXTS_PER_TOKENISING_MAX = 64


@dataclass(slots=True, eq=False)
class _Request:
    text: str
    future: Future[Vector]
    ids: Ids | None = None
    """None until tokenised; all requests of one job are in the same state."""

    def fail(self, error: BaseException) -> None:
        if self.future.running() or self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


class MicroBatcher:
    """Runs texts of any number of callers on `threads` threads of its own."""

    def __init__(
        self,
        tokenise: Callable[[Sequence[str]], Sequence[Ids]],
        run: Callable[[Sequence[Ids]], Vectors],
        *,
        threads: int,
    ) -> None:
        self._tokenise = tokenise
        self._run = run
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="stepwell-embed")
        self._lock = Lock()
        self._free_threads = threads
        self._closed = False
        self._arrived: deque[_Request] = deque()
        self._ready: LengthQueue[_Request] = LengthQueue()
        self._alone: deque[_Request] = deque()
        """Requests of a batch that failed, to be tried one by one."""

    def submit(self, text: str) -> Future[Vector]:
        """The future vector of a text; cancelling it withdraws a text that is not running yet."""
        request = _Request(text, Future())
        with self._lock:
            if self._closed:
                raise EmbedderClosed
            self._arrived.append(request)
        self._start_jobs()
        return request.future

    def close(self) -> None:
        """Finishes what is running; what waits fails with `EmbedderClosed`. Idempotent."""
        with self._lock:
            self._closed = True
        self._executor.shutdown()
        self._refuse_waiting()

    def _start_jobs(self) -> None:
        while (started := self._start_job()) is not None:
            requests, job = started
            # May call back at once, on this thread: the lock must be free here.
            job.add_done_callback(partial(self._finish, requests))

    def _start_job(self) -> tuple[list[_Request], Future[Any]] | None:
        with self._lock:
            if self._closed or not self._free_threads or not (requests := self._next_batch()):
                return None
            self._free_threads -= 1
            return requests, self._executor.submit(self._work, requests)

    def _next_batch(self) -> list[_Request]:
        """Tokenising comes first: it is short, and more ready texts make better groups."""
        if self._alone:
            return [self._alone.popleft()]
        while self._arrived and len(self._ready) < READY_TEXTS_MAX:
            count = min(len(self._arrived), TEXTS_PER_TOKENISING_MAX)
            batch = [self._arrived.popleft() for _ in range(count)]
            if wanted := [request for request in batch if not request.future.cancelled()]:
                return wanted
        while group := self._ready.take():
            if wanted := [it for it in group if it.future.set_running_or_notify_cancel()]:
                return wanted
        return []

    def _work(self, requests: list[_Request]) -> Sequence[Ids] | Vectors:
        batch = [request.ids for request in requests if request.ids is not None]
        return self._run(batch) if batch else self._tokenise([it.text for it in requests])

    def _finish(self, requests: list[_Request], job: Future[Any]) -> None:
        error = job.exception()
        if error is None and requests[0].ids is not None:
            for request, vector in zip(requests, job.result(), strict=True):
                request.future.set_result(vector.copy())  # a view would keep the batch alive
        elif error is not None and len(requests) == 1:
            requests[0].fail(error)
        with self._lock:
            self._free_threads += 1
            if error is not None and len(requests) > 1:
                self._alone.extend(requests)
            elif error is None and requests[0].ids is None:
                for request, ids in zip(requests, job.result(), strict=True):
                    request.ids = ids
                    self._ready.add(len(ids), request)
        if self._closed:
            self._refuse_waiting()
        self._start_jobs()

    def _refuse_waiting(self) -> None:
        with self._lock:
            waiting = [*self._arrived, *self._alone]
            self._arrived.clear()
            self._alone.clear()
            while group := self._ready.take():
                waiting += group
        for request in waiting:
            request.fail(EmbedderClosed())
