"""What a thread does with files: force them to the disk, write checkpoints, remove garbage.

Every so often, or with `fsync=always` before each answer.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from stepwell.streams.broker.errors import StorageFailed
from stepwell.streams.broker.storage.files import replace, sync
from stepwell.streams.broker.storage.journal import Journal
from stepwell.streams.broker.storage.log import PartitionLog
from stepwell.streams.broker.storage.segment import Segment

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    """What one log needs, as of now."""

    log: PartitionLog
    paths: dict[Path, None]
    checkpoints: dict[Path, bytes]
    garbage: list[Segment]
    end_offset: int

    @classmethod
    def of(cls, log: PartitionLog) -> "_Job":
        job = cls(log, log.unsynced, log.sealed, log.garbage, log.end_offset)
        log.unsynced, log.sealed, log.garbage = {}, {}, []
        return job

    def give_back(self) -> None:
        """It failed: the log needs it still."""
        self.log.unsynced = self.paths | self.log.unsynced
        self.log.sealed = self.checkpoints | self.log.sealed
        self.log.garbage = self.garbage + self.log.garbage


class Syncing:
    """Looks after the files of the journal and of all logs."""

    def __init__(self, journal: Journal, logs: Callable[[], Iterable[PartitionLog]]) -> None:
        self._journal = journal
        self._logs = logs
        self._wanted = asyncio.Event()
        self._waiters: list[asyncio.Future[None]] = []

    async def durable(self) -> None:
        """Until everything written before this call is on the disk; raises `StorageFailed`."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._wanted.set()
        await waiter

    async def run(self, interval_ms: int) -> None:
        """Sync every so often, and whenever somebody waits for it."""
        while True:
            try:
                async with asyncio.timeout(interval_ms / 1000):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            waiters, self._waiters = self._waiters, []
            failure = await self.once()
            for waiter in waiters:
                if waiter.done():
                    continue
                if failure is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(failure)

    async def once(self) -> StorageFailed | None:
        """Sync what is written now; the failure, if the disk has one."""
        jobs = [_Job.of(log) for log in self._logs() if log.wants_syncing]
        try:
            await asyncio.to_thread(_carry_out, self._journal, jobs)
        except OSError as error:
            for job in jobs:
                job.give_back()
            return StorageFailed(f"{error.filename}: {error.strerror}")
        for job in jobs:
            if job.log.manual_watermark:
                job.log.move_watermark(job.end_offset)
        return None

    def checkpoint(self, log: PartitionLog) -> None:
        """Have the state of a log written down beside its active segment, once that is synced."""
        active = log.active
        log.unsynced[active.path] = None
        log.sealed[active.checkpoint_path] = log.checkpoint(active)

    def close(self) -> None:
        """Sync everything, with a checkpoint of every log."""
        logs = list(self._logs())
        for log in logs:
            self.checkpoint(log)
        try:
            _carry_out(self._journal, [_Job.of(log) for log in logs])
        except OSError as error:  # a full disk: the next start reads the logs instead
            logger.warning("not everything synced", file=error.filename, detail=error.strerror)


def _carry_out(journal: Journal, jobs: list[_Job]) -> None:
    for job in jobs:
        for segment in job.garbage:  # here, because large files take their time
            segment.delete()
    journal.sync()
    for job in jobs:
        for path in job.paths:
            sync(path)
        for path, content in job.checkpoints.items():
            with suppress(FileNotFoundError):  # deleted meanwhile
                replace(path, content)
