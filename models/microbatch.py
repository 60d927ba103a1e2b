"""The micro-batcher: texts of all callers meet here and run together.

    submit ─▶ arrived ─tokenise─▶ ready, by length ─run a group─▶ each caller's future

There is no timer: a free thread takes what is there, and while all are busy texts gather and form
groups. Bulk texts have a line and threads of their own, to which the system gives what others leave
(`lanes.py`): so no text waits until a run of bulk texts is over, which can take longer than itself.
Limits: of a run its tokens, of a text its wait for a fuller group (`batching.py`); of the texts of
a line that are tokenised ahead their number and tokens; of those before them their number and
characters. Where that is reached, `submit` with `wait` blocks; a coroutine waits for its vector
anyway. The text of a cancelled future is dropped. When a batch fails, its texts are tried again one
by one, so a bad text fails only its own caller. Both steps are functions: this file knows nothing
of models.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from threading import Condition, Lock
from typing import Any, Protocol

from stepwell.models.arrays import Ids, Vector, Vectors
from stepwell.models.batching import TOKENS_PER_RUN_MAX, LengthQueue
from stepwell.models.errors import EmbedderClosed, InferenceFailed
from stepwell.models.lanes import bulk_threads, text_threads
from stepwell.models.tally import Tallied, Tally

READY_TEXTS_MAX = 1024
READY_TOKENS_MAX = 1 << 16
ARRIVED_TEXTS_MAX = 1024
ARRIVED_CHARACTERS_MAX = 1 << 24
TEXTS_PER_TOKENISING_MAX = 16
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""Bounds of the histograms of waits and runs."""


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
    waits: Tallied
    """Seconds from the arrival of a text to its run."""
    run_times: Tallied
    """Seconds of each run."""
    tokenise_s: float


class Observer(Protocol):
    """Whoever wants to know whose texts run together, such as a trace. Must be thread-safe."""

    def asked(self) -> object:
        """What names whoever submits a text now; called where it is submitted."""
        ...

    def running(self, asked: Sequence[object]) -> AbstractContextManager[object]:
        """Their texts run together within this; entered on the thread that runs them."""
        ...


@dataclass(slots=True, eq=False)
class _Request:
    text: str
    line: "_Line"
    future: Future[Vector]
    asked: object = None
    arrived_s: float = field(default_factory=time.perf_counter)
    ids: Ids | None = None
    """None until tokenised; all requests of one job are in the same state."""

    def fail(self, error: BaseException) -> None:
        if self.future.running() or self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


class _Line:
    """Texts of one priority that wait, and their threads. Not thread-safe."""

    def __init__(
        self, executor: ThreadPoolExecutor, threads: int, *, tokens_max: int, characters_max: int
    ) -> None:
        self.executor = executor
        self.free_threads = threads
        self._characters_max = characters_max
        self._characters = 0
        self._arrived: deque[_Request] = deque()
        self._ready: LengthQueue[_Request] = LengthQueue(tokens_per_run_max=tokens_max)
        self._alone: deque[_Request] = deque()
        """Requests of a batch that failed, to be tried one by one."""

    def __len__(self) -> int:
        return len(self._arrived) + len(self._ready) + len(self._alone)

    @property
    def has_room(self) -> bool:
        return len(self._arrived) < ARRIVED_TEXTS_MAX and self._characters < self._characters_max

    def add(self, request: _Request) -> None:
        self._arrived.append(request)
        self._characters += len(request.text)

    def add_ready(self, request: _Request, ids: Ids) -> None:
        request.text, request.ids = "", ids
        self._ready.add(len(ids), request)

    def add_failed(self, requests: Sequence[_Request]) -> None:
        self._alone.extend(requests)

    def take(self) -> list[_Request]:
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
            self._characters -= sum(len(request.text) for request in batch)
            if wanted := [request for request in batch if not request.future.cancelled()]:
                return wanted
        while group := self._ready.take():
            if wanted := [it for it in group if it.future.set_running_or_notify_cancel()]:
                return wanted
        return []

    def take_all(self) -> list[_Request]:
        waiting = [*self._arrived, *self._alone]
        self._arrived.clear()
        self._alone.clear()
        while group := self._ready.take():
            waiting += group
        return waiting


class MicroBatcher:
    """Runs texts of any number of callers on `threads` threads, and bulk texts on as many."""

    def __init__(
        self,
        tokenise: Callable[[Sequence[str]], Sequence[Ids]],
        run: Callable[[Sequence[Ids]], Vectors],
        *,
        threads: int,
        tokens_per_run_max: int = TOKENS_PER_RUN_MAX,
        arrived_characters_max: int = ARRIVED_CHARACTERS_MAX,
    ) -> None:
        self._tokenise = tokenise
        self._run = run
        # `with` a Condition runs Python code, and KeyboardInterrupt there leaves its lock taken
        # for ever; `with` a Lock has no such gap.
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._closed = False
        self.observer: Observer | None = None
        self._live, self._bulk = (
            _Line(
                executor(threads),
                threads,
                tokens_max=tokens_per_run_max,
                characters_max=arrived_characters_max,
            )
            for executor in (text_threads, bulk_threads)
        )
        self._runs: Counter[int] = Counter()
        self._tokens = self._texts = self._failed = 0
        self._waits, self._run_times = Tally(SECONDS), Tally(SECONDS)
        self._tokenise_s = 0.0

    def submit(self, text: str, *, wait: bool = False, bulk: bool = False) -> Future[Vector]:
        """The future vector of a text; cancelling it withdraws a text that is not running yet.

        With `wait` this blocks while too much waits already. A `bulk` text gives way to all
        others.
        """
        line = self._bulk if bulk else self._live
        asked = self.observer.asked() if self.observer is not None else None
        request = _Request(text, line, Future(), asked)
        with self._lock:
            if wait:
                self._changed.wait_for(lambda: self._closed or line.has_room)
            if self._closed:
                raise EmbedderClosed
            line.add(request)
        self._start_jobs(line)
        return request.future

    def counters(self) -> Counters:
        """What was done so far."""
        with self._lock:
            return Counters(
                waiting=len(self._live) + len(self._bulk),
                texts=self._texts,
                tokens=self._tokens,
                failed=self._failed,
                runs=dict(self._runs),
                waits=self._waits.so_far(),
                run_times=self._run_times.so_far(),
                tokenise_s=self._tokenise_s,
            )

    def close(self) -> None:
        """Finishes what is running; what waits fails with `EmbedderClosed`. Idempotent."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()
        for line in (self._live, self._bulk):
            line.executor.shutdown()
        self._refuse_waiting()

    def _start_jobs(self, line: _Line) -> None:
        while (started := self._start_job(line)) is not None:
            requests, job = started
            # Both may call back at once, on this thread: the lock must be free here.
            if isinstance(job, Future):
                job.add_done_callback(partial(self._finish, requests))
            else:
                for request in requests:
                    request.fail(job)

    def _start_job(
        self, line: _Line
    ) -> tuple[list[_Request], Future[Any] | InferenceFailed] | None:
        with self._lock:
            if self._closed or not line.free_threads:
                return None
            requests = line.take()
            self._changed.notify_all()
            if not requests:
                return None
            try:
                job = line.executor.submit(self._work, requests)
            except RuntimeError as error:  # such as where the system has no more threads
                self._failed += len(requests)
                return requests, InferenceFailed(f"a job could not be started: {error}")
            line.free_threads -= 1
            return requests, job

    def _work(self, requests: list[_Request]) -> Sequence[Ids] | Vectors:
        batch = [request.ids for request in requests if request.ids is not None]
        started_s = time.perf_counter()
        if batch:
            with self._observed(requests):
                vectors = self._run(batch)
            self._count_run(requests, batch, started_s)
            return vectors
        tokens = self._tokenise([request.text for request in requests])
        with self._lock:
            self._tokenise_s += time.perf_counter() - started_s
        return tokens

    def _observed(self, requests: Sequence[_Request]) -> AbstractContextManager[object]:
        if self.observer is None:
            return nullcontext()
        return self.observer.running([request.asked for request in requests])

    def _count_run(
        self, requests: Sequence[_Request], batch: Sequence[Ids], started_s: float
    ) -> None:
        with self._lock:
            self._runs[len(batch)] += 1
            self._texts += len(batch)
            self._tokens += sum(map(len, batch))
            self._run_times.add(time.perf_counter() - started_s)
            for request in requests:
                self._waits.add(started_s - request.arrived_s)

    def _finish(self, requests: list[_Request], job: Future[Any]) -> None:
        error, line = job.exception(), requests[0].line
        if error is None and requests[0].ids is not None:
            for request, vector in zip(requests, job.result(), strict=True):
                request.future.set_result(vector.copy())  # a view would keep the batch alive
        elif error is not None and len(requests) == 1:
            requests[0].fail(error)
        with self._lock:
            line.free_threads += 1
            if error is not None and len(requests) > 1:
                line.add_failed(requests)
            elif error is not None:
                self._failed += 1
            elif requests[0].ids is None:
                for request, ids in zip(requests, job.result(), strict=True):
                    line.add_ready(request, ids)
        if self._closed:
            self._refuse_waiting()
        self._start_jobs(line)

    def _refuse_waiting(self) -> None:
        with self._lock:
            waiting = self._live.take_all() + self._bulk.take_all()
        for request in waiting:
            request.fail(EmbedderClosed())
