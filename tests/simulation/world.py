"""A whole deployment in one thread: journal partitions, their changelogs, workers that crash.

Everything that can happen next is an action; the seed chooses which. What a crash loses is exactly
what real workers lose: their memory, and every write that the broker has not acknowledged.
"""

from collections.abc import Callable
from random import Random
from typing import Any
from zlib import crc32

from stepwell.schemas import codec
from stepwell.schemas.commands import Command
from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import Status
from stepwell.streams.engine.workflow import Workflow
from stepwell.streams.runtime.bodies import Job
from stepwell.streams.runtime.owner import Phase
from tests.simulation.durable import Durable, SimulatedRows
from tests.simulation.reference import Reference
from tests.simulation.workers import Worker

__all__ = ["Durable", "Reference", "SimulatedRows", "Worker", "World"]

SETTLED_AFTER_MAX = 15_000
"""What has not come to rest after so many actions never will."""


class World:
    """The deployment under one seed."""

    def __init__(
        self,
        seed: int,
        workflows: dict[str, type[Workflow]],
        *,
        bodies_fail: float = 0.0,
        partitions: int = 1,
        places: int = 1_000,
    ) -> None:
        self.random = Random(seed)
        self.now_ms = 0
        self.places = places
        self.bodies_fail = bodies_fail
        self.durables = [Durable() for _ in range(partitions)]
        self.workers: list[Worker] = []
        self.bodies_run: list[tuple[InstanceKey, StepKey]] = []
        self.workflows = workflows
        self._started = 0
        self._references = [Reference() for _ in range(partitions)]
        for partition in range(partitions):
            self.start_worker(partition)

    @property
    def durable(self) -> Durable:
        """That of the only partition."""
        (durable,) = self.durables
        return durable

    def partition_of(self, key: bytes) -> int:
        return crc32(key) % len(self.durables)

    def workflow(self, name: str) -> Workflow | None:
        workflow = self.workflows.get(name)
        return workflow() if workflow else None

    def newest(self, partition: int) -> Worker:
        return next(w for w in reversed(self.workers) if w.partition == partition)

    # --- what others do -----------------------------------------------------------------------

    def create(self, key: InstanceKey, params: Any, **options: Any) -> None:
        """A producer publishes; now and then twice."""
        record = InstanceCreated(params, self.now_ms, **options)
        self.append(key, record, self.random.choice((1, 1, 1, 2)))

    def append(self, key: InstanceKey, record: InstanceCreated | Command, times: int = 1) -> None:
        raw = key.encode()
        journal = self.durables[self.partition_of(raw)].journal
        journal += [(raw, codec.encode(record))] * times

    # --- what happens -------------------------------------------------------------------------

    def start_worker(self, partition: int = 0) -> None:
        """A worker is assigned the partition; an earlier one that still runs is a zombie now."""
        self._started += 1
        self.workers.append(Worker(self, self._started, partition))

    def crash(self, partition: int = 0) -> None:
        """The newest worker dies; another one recovers from what was acknowledged."""
        self._remove(self.newest(partition))
        self.start_worker(partition)

    def _remove(self, worker: Worker) -> None:
        self.workers.remove(worker)
        worker.die()

    def act(self) -> None:
        """One random action of one random worker, sometimes a crash, a takeover or a jump."""
        self.now_ms += 1
        random = self.random
        chance, partition = random.random(), random.randrange(len(self.durables))
        worker = random.choice(self.workers)
        if chance < 0.015:
            self.crash(partition)
        elif chance < 0.02:
            self.newest(partition).release()
            self.crash(partition)
        elif chance < 0.03:
            self.start_worker(partition)
        elif chance < 0.06:
            zombies = [w for w in self.workers if self.newest(w.partition) is not w]
            if zombies:
                if random.random() < 0.5:
                    zombies[0].release()  # it notices; what it had still to write is written
                self._remove(zombies[0])
        elif chance < 0.09:
            self.now_ms = max(self.now_ms, worker.next_ms())
            worker.ring()
        elif chance < 0.15:
            worker.commit()
        elif actions := worker.actions():
            random.choice(actions)()

    def settle(self, look_after: Callable[["World"], bool] = lambda _world: False) -> None:
        """Faults stop: the newest workers go on until nothing is left to do.

        Whenever nothing happens without time passing, `look_after` may find something to do.
        """
        for worker in list(self.workers):
            if self.newest(worker.partition) is not worker:
                self._remove(worker)
        for _ in range(SETTLED_AFTER_MAX):
            busy = [action for worker in self.workers for action in worker.actions()]
            if busy:
                self.random.choice(busy)()
                continue
            for worker in self.workers:
                worker.commit()
            if look_after(self):
                continue
            if all(w.owner.phase is Phase.ACTIVE for w in self.workers) and not self.unfinished():
                return
            self.pass_time()
        raise AssertionError(f"does not come to rest: {self.unfinished()}")

    def pass_time(self) -> None:
        """Time jumps to when something is due."""
        self.now_ms = max(self.now_ms, min(worker.next_ms() for worker in self.workers))
        for worker in self.workers:
            if worker.next_ms() <= self.now_ms:
                worker.ring()

    def unfinished(self) -> dict[str, Status]:
        """Every instance that has not ended, and is not paused."""
        at_rest = {Status.PAUSED, Status.COMPLETE, Status.ERRORED, Status.TERMINATED}
        states = [item for r in self.references() for item in r.states.items()]
        return {str(key): state.status for key, state in states if state.status not in at_rest}

    def body_runs(self, worker: Worker, job: Job) -> None:
        """A body runs: only under an owner, and only if its step had not finished before."""
        self.bodies_run.append((job.instance, job.step.key))
        assert worker.owner.phase is Phase.ACTIVE, "a body ran outside ownership"
        name = (job.instance, job.run, job.step.key)
        finished_at = self.references()[worker.partition].finished_at.get(name, job.epoch)
        assert finished_at >= job.epoch, f"{name} was finished before this claim, and ran again"

    def references(self) -> list[Reference]:
        """The journals, each folded from its beginning."""
        for durable, reference in zip(self.durables, self._references, strict=True):
            for offset in range(reference.next_offset, len(durable.journal)):
                key, value = durable.journal[offset]
                reference.take(offset, key, codec.decode(value))
        return self._references

    def reference(self) -> Reference:
        """That of the only partition."""
        (reference,) = self.references()
        return reference
