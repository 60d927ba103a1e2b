"""Runs step bodies for real, as tasks of the running loop; retry delays pass in virtual time."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from random import Random

from stepwell.schemas.journal import InstanceKey, StepRecord, StreamChunk
from stepwell.streams.engine.effects import RunStep
from stepwell.streams.engine.names import StepKey
from stepwell.streams.runtime.bodies import Job, JobId, StepBodies
from stepwell.streams.spans import NO_TRACING, Tracing
from stepwell.streams.testing.timers import Timer, Timers, VirtualClock

STOP_TIMEOUT_MS = 10_000


class MockableBodies:
    """The bodies of one worker. `started` is asked what to run, `news` is told of every end."""

    def __init__(
        self,
        clock: VirtualClock,
        timers: Timers,
        started: Callable[[Job], RunStep],
        news: Callable[[], None],
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._clock = clock
        self._timers = timers
        self._started = started
        self._news = news
        # One thread, and one seed: what a test does, it does again.
        random = Random(0)  # noqa: S311
        self._bodies = StepBodies(clock, threads_max=1, random=random, tracing=tracing)
        self._delayed: dict[JobId, Timer] = {}
        self._running: dict[JobId, Job] = {}
        self._held: dict[JobId, Callable[[], None]] = {}
        self.order: Random | None = None
        """Chooses which completion is told next; None: they are told as they come."""

    @property
    def running(self) -> int:
        """How many bodies have not ended."""
        return len(self._running)

    @property
    def running_names(self) -> list[str]:
        """Which bodies have not ended."""
        return [f"{job.instance}: {job.step.key}" for job in self._running.values()]

    @property
    def held(self) -> int:
        """How many bodies have ended without the workflow having been told."""
        return len(self._held)

    def submit(self, job: Job) -> None:
        """Run the job when it is due."""
        if job.step.not_before_ms > self._clock():
            at_ms = job.step.not_before_ms
            self._delayed[job.id] = self._timers.call_at(at_ms, lambda: self._start(job))
        else:
            self._start(job)

    def cancel(self, owner: Hashable, instance: InstanceKey, step: StepKey) -> None:
        """Forget a job, whatever it is doing."""
        job_id = (owner, instance, step)
        if timer := self._delayed.pop(job_id, None):
            timer.cancel()
        self._held.pop(job_id, None)
        self._running.pop(job_id, None)
        self._bodies.cancel(*job_id)

    def withdraw(self, owner: Hashable, instance: InstanceKey, step: StepKey) -> bool:
        """Forget a job that has not started; whether that was so."""
        job_id = (owner, instance, step)
        if timer := self._delayed.pop(job_id, None):
            timer.cancel()
            return True
        if withdrawn := self._bodies.withdraw(*job_id):
            self._running.pop(job_id, None)
        return withdrawn

    def tell_one(self) -> None:
        """Tell of one of the completions that are held back."""
        assert self.order is not None
        job_id = self.order.choice(list(self._held))
        self._held.pop(job_id)()

    def die(self) -> None:
        """Cancel everything, as the end of a process does."""
        self._bodies.close()

    async def stop(self) -> None:
        """Cancel everything and wait for it."""
        for owner in {job.owner for job in self._running.values()}:
            await self._bodies.cancel_owner(owner, STOP_TIMEOUT_MS)
        self.die()

    def _start(self, job: Job) -> None:
        self._delayed.pop(job.id, None)
        self._running[job.id] = job
        original = job.report

        def report(mocked: Job, record: StepRecord | StreamChunk, raw: bytes) -> None:
            if isinstance(record, StreamChunk):
                original(job, record, raw)
                return
            del self._running[mocked.id]
            if self.order is None:
                original(job, record, raw)
            else:
                self._held[mocked.id] = lambda: original(job, record, raw)
            self._news()

        self._bodies.submit(replace(job, step=self._started(job), report=report))
