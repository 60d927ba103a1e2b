"""Runs step bodies: at most so many at a time, each with its timeout, each ending in one record.

Knows nothing of journals or policy: it is told what to run and reports how it ended.
"""

import asyncio
import inspect
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, get_type_hints

from stepwell.schemas import codec
from stepwell.schemas.journal import InstanceKey, StepRecord
from stepwell.schemas.values import NotSerialisable
from stepwell.streams.engine.attempt import Attempt
from stepwell.streams.engine.effects import RunStep
from stepwell.streams.engine.errors import NonRetryableError, ResultTooLarge, StepTimeout
from stepwell.streams.engine.execution import describe_error
from stepwell.streams.engine.limits import RESULT_BYTES_MAX
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.workflow import StepContext
from stepwell.streams.runtime.clock import Clock

JobId = tuple[Hashable, InstanceKey, StepKey]


@dataclass(frozen=True, slots=True)
class Job:
    """A step body to run, for whom, and where its record goes."""

    owner: Hashable
    """Jobs of one owner (a claimed partition) are cancelled together."""
    instance: InstanceKey
    run: int
    epoch: int
    step: RunStep
    report: Callable[["Job", StepRecord, bytes], None]
    """Called once with the record and its encoded form, unless the job was cancelled."""

    @property
    def id(self) -> JobId:
        """At most one job of an id exists at a time."""
        return self.owner, self.instance, self.step.key


class StepBodies:
    """Starts bodies in the order in which they come due, `running_max` at a time."""

    def __init__(self, clock: Clock, *, running_max: int = 512, threads_max: int = 16) -> None:
        self._clock = clock
        self._running_max = running_max
        self._threads = ThreadPoolExecutor(threads_max, thread_name_prefix="stepwell-step")
        self._timers: dict[JobId, asyncio.TimerHandle] = {}
        self._waiting: OrderedDict[JobId, Job] = OrderedDict()
        self._running: dict[JobId, asyncio.Task[None]] = {}

    def submit(self, job: Job) -> None:
        """Run the job when it is due and a place is free."""
        wait_ms = job.step.not_before_ms - self._clock()
        if wait_ms > 0:
            loop = asyncio.get_running_loop()
            self._timers[job.id] = loop.call_later(wait_ms / 1000, self._due, job)
        elif len(self._running) < self._running_max:
            self._start(job)
        else:
            self._waiting[job.id] = job

    def cancel(self, owner: Hashable, instance: InstanceKey, step: StepKey) -> None:
        """Forget a job, whatever it is doing; it reports nothing. No-op for unknown ones."""
        job_id = (owner, instance, step)
        if timer := self._timers.pop(job_id, None):
            timer.cancel()
        self._waiting.pop(job_id, None)
        if task := self._running.pop(job_id, None):
            task.cancel()
            self._fill()

    async def cancel_owner(self, owner: Hashable, timeout_ms: int) -> int:
        """Cancel every job of an owner and wait for the bodies; how many did not end in time."""
        for job_id in [job_id for job_id in self._waiting if job_id[0] == owner]:
            del self._waiting[job_id]
        for job_id in [job_id for job_id in self._timers if job_id[0] == owner]:
            self._timers.pop(job_id).cancel()
        tasks = [self._running.pop(job_id) for job_id in list(self._running) if job_id[0] == owner]
        for task in tasks:
            task.cancel()
        self._fill()
        if not tasks:
            return 0
        _, stuck = await asyncio.wait(tasks, timeout=timeout_ms / 1000)
        return len(stuck)

    def close(self) -> None:
        """Cancel everything; threads that are inside a body are left to end by themselves."""
        for timer in self._timers.values():
            timer.cancel()
        self._waiting.clear()
        running, self._running = self._running, {}
        for task in running.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def running(self) -> int:
        """How many bodies run now."""
        return len(self._running)

    @property
    def timers(self) -> int:
        """How many jobs wait for their time."""
        return len(self._timers)

    @property
    def waiting(self) -> int:
        """How many jobs are due and wait for a free place."""
        return len(self._waiting)

    def _due(self, job: Job) -> None:
        del self._timers[job.id]
        self.submit(job)  # asks the clock again: the wall clock may have been set back

    def _start(self, job: Job) -> None:
        self._running[job.id] = asyncio.get_running_loop().create_task(self._run(job))

    async def _run(self, job: Job) -> None:
        attempt = Attempt(job.step, job.run, job.epoch, self._clock())
        try:
            record, raw = await self._carry_out(attempt, job)
        except asyncio.CancelledError as error:
            if self._is_cancelled(job):  # otherwise the body raised it
                raise
            record, raw = self._failure(attempt, error)
        if self._is_cancelled(job):
            return  # the body ended all the same: nobody wants to know
        del self._running[job.id]
        self._fill()
        job.report(job, record, raw)

    def _is_cancelled(self, job: Job) -> bool:
        return self._running.get(job.id) is not asyncio.current_task()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._running_max:
            _, job = self._waiting.popitem(last=False)
            self._start(job)

    async def _carry_out(self, attempt: Attempt, job: Job) -> tuple[StepRecord, bytes]:
        step = attempt.step
        try:
            async with asyncio.timeout(step.options.timeout_ms / 1000) as limit:
                result = await self._call(job)
        except TimeoutError as error:
            late = StepTimeout(step.options.timeout_ms) if limit.expired() else error
            return self._failure(attempt, late)
        except Exception as error:  # noqa: BLE001 - the edge to user code
            return self._failure(attempt, error)
        return self._success(attempt, result)

    async def _call(self, job: Job) -> Any:
        step = job.step
        is_async, context_name = _signature(getattr(step.function, "__func__", step.function))
        options = {context_name: _context(job)} if context_name else {}
        if is_async:
            return await step.function(*step.args, **options)
        loop = asyncio.get_running_loop()
        call = partial(copy_context().run, step.function, *step.args, **options)
        result = await loop.run_in_executor(self._threads, call)
        return await result if inspect.isawaitable(result) else result

    def _success(self, attempt: Attempt, result: Any) -> tuple[StepRecord, bytes]:
        record = attempt.succeeded(result, self._clock())
        try:
            raw = codec.encode(record)
        except NotSerialisable as error:
            return self._failure(attempt, error)
        if len(raw) > RESULT_BYTES_MAX:
            return self._failure(attempt, ResultTooLarge(len(raw)))
        return record, raw

    def _failure(self, attempt: Attempt, error: BaseException) -> tuple[StepRecord, bytes]:
        retryable = not isinstance(error, NonRetryableError | NotSerialisable)
        record = attempt.failed(describe_error(error), self._clock(), retryable=retryable)
        return record, codec.encode(record)


def _context(job: Job) -> StepContext:
    key = job.step.key
    idempotency_key = f"{job.instance}/{job.run}/{key}"
    return StepContext(key.name, key.occurrence, job.step.attempt, idempotency_key, job.epoch)


@lru_cache(maxsize=4096)
def _signature(function: Callable[..., Any]) -> tuple[bool, str | None]:
    """Whether the function is a coroutine function, and the name of its `StepContext` parameter."""
    is_async = inspect.iscoroutinefunction(function)
    if not getattr(function, "__annotations__", None):
        return is_async, None
    hints = get_type_hints(function).items()
    return is_async, next((name for name, hint in hints if hint is StepContext), None)
