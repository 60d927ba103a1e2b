"""The micro-batcher: texts of all callers meet here and run together.

    submit ─▶ arrived ─tokenise─▶ ready, by length ─run a group─▶ each caller's future

There is no timer: a free core takes what is there, and while all cores are busy texts gather and
form groups. Limits: of a run its tokens, of a text its wait for a fuller group (`batching.py`); of
the texts that are tokenised ahead their number and tokens; of those before them their number and
characters. Where that is reached, `submit` with `wait` blocks; a coroutine waits for its vector
anyway. The text of a cancelled future is dropped. When a batch fails, its texts are tried again one
by one, so a bad text fails only its own caller. Both steps are functions: this file knows nothing
of models.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from threading import Condition
from typing import Any

from stepwell.models.arrays import Ids, Vector, Vectors
from stepwell.models.batching import TOKENS_PER_RUN_MAX, LengthQueue
from stepwell.models.errors import EmbedderClosed
from stepwell.models.lanes import bulk_threads

READY_TEXTS_MAX = 1024
READY_TOKENS_MAX = 1 << 16
ARRIVED_TEXTS_MAX = 1024
ARRIVED_CHARACTERS_MAX = 1 << 24
TEXTS_PER_TOKENISING_MAX = 16


@dataclass(frozen=True, slots=True)
class Counters:
    """What was done so far and what waits. Seconds are summed over threads."""

    waiting: int
    """Texts that came but do not run yet."""
    texts: int
    """Texts that have their vector."""
    tokens: int
    failed: int
    runs: dict[int, int]
    """How many runs there were, by the number of texts in one."""
    run_s: float
    tokenise_s: float


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
        tokens_per_run_max: int = TOKENS_PER_RUN_MAX,
    ) -> None:
        self._tokenise = tokenise
        self._run = run
        self._executor = bulk_threads(threads)
        self._changed = Condition()
        self._free_threads = threads
        self._closed = False
        self._arrived: deque[_Request] = deque()
        self._arrived_characters = 0
        self._ready: LengthQueue[_Request] = LengthQueue(tokens_per_run_max=tokens_per_run_max)
        self._alone: deque[_Request] = deque()
        """Requests of a batch that failed, to be tried one by one."""
        self._runs: Counter[int] = Counter()
        self._tokens = self._texts = self._failed = 0
        self._run_s = self._tokenise_s = 0.0

    def submit(self, text: str, *, wait: bool = False) -> Future[Vector]:
        """The future vector of a text; cancelling it withdraws a text that is not running yet.

        With `wait` this blocks while too much waits already.
        """
        request = _Request(text, Future())
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._closed or self._has_room())
            if self._closed:
                raise EmbedderClosed
            self._arrived.append(request)
            self._arrived_characters += len(text)
        self._start_jobs()
        return request.future

    def counters(self) -> Counters:
        """What was done so far."""
        with self._changed:
            return Counters(
                waiting=len(self._arrived) + len(self._ready) + len(self._alone),
                texts=self._texts,
                tokens=self._tokens,
                failed=self._failed,
                runs=dict(self._runs),
                run_s=self._run_s,
                tokenise_s=self._tokenise_s,
            )

    def close(self) -> None:
        """Finishes what is running; what waits fails with `EmbedderClosed`. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._executor.shutdown()
        self._refuse_waiting()

    def _has_room(self) -> bool:
        return (
            len(self._arrived) < ARRIVED_TEXTS_MAX
            and self._arrived_characters < ARRIVED_CHARACTERS_MAX
        )

    def _start_jobs(self) -> None:
        while (started := self._start_job()) is not None:
            requests, job = started
            # May call back at once, on this thread: the lock must be free here.
            job.add_done_callback(partial(self._finish, requests))

    def _start_job(self) -> tuple[list[_Request], Future[Any]] | None:
        with self._changed:
            if self._closed or not self._free_threads or not (requests := self._next_batch()):
                return None
            self._free_threads -= 1
            return requests, self._executor.submit(self._work, requests)

    def _next_batch(self) -> list[_Request]:
        """Tokenising comes first: it is short, and more ready texts make better groups."""
        if self._alone:
            return [self._alone.popleft()]
        while (
            self._arrived
            and len(self._ready) < READY_TEXTS_MAX
            and self._ready.tokens < READY_TOKENS_MAX
        ):
            count = min(len(self._arrived), TEXTS_PER_TOKENISING_MAX)
            batch = [self._arrived.popleft() for _ in range(count)]
            self._arrived_characters -= sum(len(request.text) for request in batch)
            self._changed.notify_all()
            if wanted := [request for request in batch if not request.future.cancelled()]:
                return wanted
        while group := self._ready.take():
            if wanted := [it for it in group if it.future.set_running_or_notify_cancel()]:
                return wanted
        return []

    def _work(self, requests: list[_Request]) -> Sequence[Ids] | Vectors:
        batch = [request.ids for request in requests if request.ids is not None]
        started_s = time.perf_counter()
        if batch:
            vectors = self._run(batch)
            self._count_run(batch, time.perf_counter() - started_s)
            return vectors
        tokens = self._tokenise([request.text for request in requests])
        with self._changed:
            self._tokenise_s += time.perf_counter() - started_s
        return tokens

    def _count_run(self, batch: Sequence[Ids], spent_s: float) -> None:
        with self._changed:
            self._runs[len(batch)] += 1
            self._texts += len(batch)
            self._tokens += sum(map(len, batch))
            self._run_s += spent_s

    def _finish(self, requests: list[_Request], job: Future[Any]) -> None:
        error = job.exception()
        if error is None and requests[0].ids is not None:
            for request, vector in zip(requests, job.result(), strict=True):
                request.future.set_result(vector.copy())  # a view would keep the batch alive
        elif error is not None and len(requests) == 1:
            requests[0].fail(error)
        with self._changed:
            self._free_threads += 1
            if error is not None and len(requests) > 1:
                self._alone.extend(requests)
            elif error is not None:
                self._failed += 1
            elif requests[0].ids is None:
                for request, ids in zip(requests, job.result(), strict=True):
                    request.text, request.ids = "", ids
                    self._ready.add(len(ids), request)
        if self._closed:
            self._refuse_waiting()
        self._start_jobs()

    def _refuse_waiting(self) -> None:
        with self._changed:
            waiting = [*self._arrived, *self._alone]
            self._arrived.clear()
            self._alone.clear()
            while group := self._ready.take():
                waiting += group
        for request in waiting:
            request.fail(EmbedderClosed())
