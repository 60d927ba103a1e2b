"""One worker: the real owner of the partition, with virtual time and counted writes."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from stepwell.schemas import codec
from stepwell.schemas.journal import OWNER_KEY, InstanceKey
from stepwell.schemas.parts import Retention
from stepwell.streams.engine.effects import RunStep
from stepwell.streams.runtime.admission import Gate
from stepwell.streams.runtime.bodies import Job
from stepwell.streams.runtime.owner import PartitionOwner
from stepwell.streams.runtime.registry import Workflows
from stepwell.streams.runtime.rows import Header
from stepwell.streams.runtime.surroundings import DAY_MS, Surroundings
from stepwell.streams.spans import Tracing
from stepwell.streams.testing.bodies import MockableBodies
from stepwell.streams.testing.mocks import Mocks
from stepwell.streams.testing.storage import MemoryJournal, MemoryRows, Tables
from stepwell.streams.testing.timers import Timers, VirtualClock

RUNNING_MAX = 10_000
_EVER_MS = 100 * 366 * DAY_MS
KEPT = Retention(success_ms=_EVER_MS, error_ms=_EVER_MS)
"""What a test made it can look at, however much time has passed."""


class Deployment(Protocol):
    """What outlives a worker."""

    clock: VirtualClock
    journal: MemoryJournal
    tables: Tables
    committed: int
    """The first record of the journal that no worker has finished."""
    workflows: Workflows
    tracing: Tracing
    duplicates: bool

    def mocks_of(self, key: InstanceKey) -> Mocks:
        """What the test has changed about an instance."""
        ...

    def may_write(self) -> bool:
        """Whether the worker lives to make one more write."""
        ...

    def starts(self, job: Job) -> None:
        """Told of every body that is about to run."""
        ...

    def has_news(self) -> None:
        """Told when a body has ended, so that there is something to do again."""
        ...


class Worker:
    """Everything in it is lost when it dies, but what it has written."""

    def __init__(self, deployment: Deployment, number: int, in_memory_max: int) -> None:
        self._deployment = deployment
        self.is_dead = False
        clock = deployment.clock
        self._alarms = Timers(clock)
        self._timers = timers = Timers(clock)
        tracing = deployment.tracing
        self.bodies = MockableBodies(clock, timers, self._body, deployment.has_news, tracing)
        self._unsent: deque[tuple[bytes, bytes]] = deque()
        self._position = deployment.committed
        self._rows = MemoryRows(deployment.tables, self._write)
        around = Surroundings(
            append=lambda _partition, key, value: self._append(key, value),
            append_instance=self._append,
            bodies=self.bodies,
            call_soon=timers.call_soon,
            call_later=self._alarms.call_later,
            workflow=deployment.workflows.create,
            clock=clock,
            observe=lambda _key, _record, _verdict: None,
            worker=f"worker-{number}",
            gate=Gate(RUNNING_MAX, clock, timers.call_later),
            followers=deployment.workflows.followers,
            retention=KEPT,
            in_memory_max=in_memory_max,
            tracing=tracing,
        )
        self.owner = PartitionOwner(0, self._rows, f"claim-{number}", around)
        self.owner.start()

    def turn(self) -> bool:
        """Do one thing that can be done now; False: there is nothing."""
        if self._unsent:
            self._send()
        elif self._deployment.committed < self._position:
            self._write(self._commit)  # only now: what was read must have had its effects
        elif self._position < len(self._deployment.journal.records):
            self._read()
        else:
            return self._timers.run_one() or self._alarms.run_one()
        return True

    def next_ms(self) -> int | None:
        """When something is due next."""
        # Alarms look again every minute, whether something is due or not: nothing is to be seen.
        due_ms = [self._timers.next_ms(), self.owner.carrier.alarms.next_ms]
        now_ms = self._deployment.clock()
        for _, raw in self._rows.headers():  # of instances that have no alarm yet
            header = Header.decode(raw)
            if not header.status.terminal and (header.wake_at_ms or 0) > now_ms:
                due_ms.append(header.wake_at_ms)
        return min((at_ms for at_ms in due_ms if at_ms is not None), default=None)

    def die(self) -> None:
        """Lose everything that is not written."""
        self.is_dead = True
        self.owner.release()
        self.bodies.die()

    async def stop(self) -> None:
        """End, and wait for the bodies to end."""
        self.is_dead = True
        await self.bodies.stop()
        self.owner.release()

    # --- inside -------------------------------------------------------------------------------

    def _append(self, key: bytes, value: bytes) -> None:
        if key != OWNER_KEY:
            record = codec.decode(value)
            changed = self._deployment.mocks_of(InstanceKey.decode(key)).record(record)
            value = value if changed is record else codec.encode(changed)
        self._unsent.append((key, value))

    def _send(self) -> None:
        key, value = self._unsent.popleft()
        twice = self._deployment.duplicates and key != OWNER_KEY  # nobody else makes that claim
        for _ in range(1 + twice):
            self._write(lambda: self._deployment.journal.put(key, value))

    def _read(self) -> None:
        offset = self._position
        key, value = self._deployment.journal.records[offset]
        for _ in range(1 + self._deployment.duplicates):
            self.owner.handle(offset, key, value)
        self._position += 1

    def _commit(self) -> None:
        self._deployment.committed = self._position

    def _write(self, write: Callable[[], object]) -> None:
        if self.is_dead or not self._deployment.may_write():
            self.is_dead = True
        else:
            write()

    def _body(self, job: Job) -> RunStep:
        self._deployment.starts(job)
        return self._deployment.mocks_of(job.instance).step(job.step)
