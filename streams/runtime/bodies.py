"""Runs step bodies: at most so many at a time, live before bulk, each ending in one record.

Knows nothing of journals or policy: it is told what to run and reports how it ended.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from random import Random

from stepwell.schemas.journal import InstanceKey, StepRecord, StepSucceeded, StreamChunk
from stepwell.schemas.parts import Lane, Trace
from stepwell.streams.engine.attempt import Attempt
from stepwell.streams.engine.effects import RunStep
from stepwell.streams.engine.limits import DELAY_BUDGET_MS
from stepwell.streams.engine.names import StepKey
from stepwell.streams.runtime.attempts import Attempts
from stepwell.streams.runtime.clock import Clock
from stepwell.streams.spans import NO_SPAN, NO_TRACING, Body, Run, Span, Tracing

JobId = tuple[Hashable, InstanceKey, StepKey]

LIVE_RESERVE_SHARE = 16
"""One place in so many, and at least one, is never given to a bulk job."""


@dataclass(frozen=True, slots=True)
class Job:
    """A step body to run, for whom, and where its records go."""

    owner: Hashable
    """Jobs of one owner (a claimed partition) are cancelled together."""
    instance: InstanceKey
    run: int
    epoch: int
    step: RunStep
    report: Callable[["Job", StepRecord | StreamChunk, bytes], None]
    """Called with each chunk that the body yields, then once with the record of how it ended, and
    the encoded form of each; never once the job was cancelled."""
    lane: Lane = Lane.LIVE
    trace: Trace | None = None
    """Where its instance was created."""

    @property
    def id(self) -> JobId:
        """At most one job of an id exists at a time."""
        return self.owner, self.instance, self.step.key


class StepBodies:
    """Starts bodies in the order in which they come due, `running_max` at a time."""

    def __init__(  # noqa: PLR0913 - all but one by name
        self,
        clock: Clock,
        *,
        running_max: int = 512,
        threads_max: int = 16,
        random: Random | None = None,
        delay_budget_ms: int = DELAY_BUDGET_MS,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._clock = clock
        self._tracing = tracing
        reserve = max(1, running_max // LIVE_RESERVE_SHARE)
        self._places = {Lane.LIVE: running_max, Lane.BULK: max(1, running_max - reserve)}
        self._attempts = Attempts(
            clock,
            random or Random(),  # noqa: S311 - spreads retries, hides nothing
            ThreadPoolExecutor(threads_max, thread_name_prefix="stepwell-step"),
            ThreadPoolExecutor(threads_max, thread_name_prefix="stepwell-delay"),
            delay_budget_ms,
        )
        self._timers: dict[JobId, asyncio.TimerHandle] = {}
        self._waiting: dict[Lane, OrderedDict[JobId, Job]] = {lane: OrderedDict() for lane in Lane}
        self._running: dict[JobId, asyncio.Task[None]] = {}
        self._bulk: set[JobId] = set()

    def submit(self, job: Job) -> None:
        """Run the job when it is due and a place is free."""
        wait_ms = job.step.not_before_ms - self._clock()
        if wait_ms > 0:
            loop = asyncio.get_running_loop()
            self._timers[job.id] = loop.call_later(wait_ms / 1000, self._due, job)
        else:
            self._waiting[job.lane][job.id] = job
            self._fill()

    def withdraw(self, owner: Hashable, instance: InstanceKey, step: StepKey) -> bool:
        """Take a job back that has not started; whether there was one. A running one runs on."""
        return self._withdraw((owner, instance, step))

    def cancel(self, owner: Hashable, instance: InstanceKey, step: StepKey) -> None:
        """Forget a job, whatever it is doing; it reports nothing. No-op for unknown ones."""
        job_id = (owner, instance, step)
        self._withdraw(job_id)
        if task := self._running.get(job_id):
            self._vacate(job_id)
            task.cancel()
            self._fill()

    async def cancel_owner(self, owner: Hashable, timeout_ms: int) -> int:
        """Cancel every job of an owner and wait for the bodies; how many did not end in time."""
        idle = [*self._timers, *(job_id for line in self._waiting.values() for job_id in line)]
        for job_id in idle:
            if job_id[0] == owner:
                self._withdraw(job_id)
        running = {job_id: task for job_id, task in self._running.items() if job_id[0] == owner}
        for job_id, task in running.items():
            self._vacate(job_id)
            task.cancel()
        self._fill()
        if not running:
            return 0
        _, stuck = await asyncio.wait(running.values(), timeout=timeout_ms / 1000)
        return len(stuck)

    def close(self) -> None:
        """Cancel everything; threads that are inside a body are left to end by themselves."""
        for timer in self._timers.values():
            timer.cancel()
        for line in self._waiting.values():
            line.clear()
        running, self._running = self._running, {}
        self._bulk.clear()
        for task in running.values():
            task.cancel()
        self._attempts.threads.shutdown(wait=False, cancel_futures=True)
        self._attempts.delay_threads.shutdown(wait=False, cancel_futures=True)

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
        return sum(len(line) for line in self._waiting.values())

    def _due(self, job: Job) -> None:
        del self._timers[job.id]
        self.submit(job)  # asks the clock again: the wall clock may have been set back

    def _withdraw(self, job_id: JobId) -> bool:
        if timer := self._timers.pop(job_id, None):
            timer.cancel()
            return True
        return any(line.pop(job_id, None) is not None for line in self._waiting.values())

    def _vacate(self, job_id: JobId) -> None:
        del self._running[job_id]
        self._bulk.discard(job_id)

    def _fill(self) -> None:
        """Start what waits, live jobs first, while there are places."""
        live, bulk = self._waiting[Lane.LIVE], self._waiting[Lane.BULK]
        while len(self._running) < self._places[Lane.LIVE]:
            if live:
                _, job = live.popitem(last=False)
            elif bulk and len(self._bulk) < self._places[Lane.BULK]:
                _, job = bulk.popitem(last=False)
                self._bulk.add(job.id)
            else:
                return
            self._running[job.id] = asyncio.get_running_loop().create_task(self._run(job))

    async def _run(self, job: Job) -> None:
        attempt = Attempt(job.step, job.run, job.epoch, self._clock())

        def emit(chunk: StreamChunk, raw: bytes) -> None:
            if self._is_cancelled(job):
                raise asyncio.CancelledError
            job.report(job, chunk, raw)

        with self._traced(job) as span:
            try:
                record, raw = await self._attempts.carry_out(attempt, job.instance, emit)
            except asyncio.CancelledError as error:
                if self._is_cancelled(job):  # otherwise the body raised it
                    span.failed("cancelled")
                    raise
                record, raw = await self._attempts.failure(attempt, job.instance, error)
            if not isinstance(record, StepSucceeded):
                span.failed(record.error.name, record.error.message)
        if self._is_cancelled(job):
            return  # the body ended all the same: nobody wants to know
        self._vacate(job.id)
        self._fill()
        job.report(job, record, raw)

    def _traced(self, job: Job) -> AbstractContextManager[Span]:
        if job.trace is None:
            return NO_SPAN
        step, run = job.step, Run(job.trace, job.instance, job.run)
        body = Body(step.key.name, step.key.occurrence, step.attempt, step.key.kind)
        return self._tracing.attempt(run, body)

    def _is_cancelled(self, job: Job) -> bool:
        return self._running.get(job.id) is not asyncio.current_task()
