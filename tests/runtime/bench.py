"""A bench for step bodies: runs one and shows its records."""

import asyncio
from collections.abc import Callable
from typing import Any

from stepwell.schemas import codec
from stepwell.schemas.journal import InstanceKey, StepRecord, StreamChunk
from stepwell.schemas.parts import Lane
from stepwell.streams import Retries
from stepwell.streams.engine.effects import RunStep
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.retry import StepOptions
from stepwell.streams.runtime.bodies import Job, StepBodies
from stepwell.streams.runtime.clock import Clock, system_clock

INSTANCE = InstanceKey("told", "one")


class Bench:
    """Bodies with a place to put their records."""

    def __init__(self, clock: Clock = system_clock, **options: Any) -> None:
        self.bodies = StepBodies(clock, **options)
        self.records: asyncio.Queue[StepRecord] = asyncio.Queue()
        self.chunks: asyncio.Queue[StreamChunk] = asyncio.Queue()

    def job(self, function: Callable[..., Any], *args: Any, **changes: Any) -> Job:
        options = StepOptions(
            changes.get("retries", Retries(limit=1, delay=0)),
            changes.get("timeout_ms", 10_000),
            changes.get("sensitive", False),
        )
        key = StepKey(changes.get("name", "step"), 1)
        attempt = changes.get("attempt", 1)
        step = RunStep(key, function, args, options, attempt, changes.get("not_before_ms", 0))
        owner, lane = changes.get("owner", "me"), changes.get("lane", Lane.LIVE)
        return Job(owner, INSTANCE, 1, 7, step, self.report, lane)

    def report(self, _job: Job, record: StepRecord | StreamChunk, raw: bytes) -> None:
        assert codec.decode(raw) == record
        (self.chunks if isinstance(record, StreamChunk) else self.records).put_nowait(record)

    def submit(self, function: Callable[..., Any], *args: Any, **changes: Any) -> Job:
        job = self.job(function, *args, **changes)
        self.bodies.submit(job)
        return job

    def cancel(self, job: Job) -> None:
        self.bodies.cancel(job.owner, job.instance, job.step.key)

    async def run(self, function: Callable[..., Any], *args: Any, **changes: Any) -> StepRecord:
        self.submit(function, *args, **changes)
        return await asyncio.wait_for(self.records.get(), 30)


async def double(number: int) -> int:
    return number * 2
