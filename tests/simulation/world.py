"""A whole deployment in one thread: a journal partition, its changelogs, workers that crash.

Everything that can happen next is an action; the seed chooses which. What a crash loses is exactly
what real workers lose: their memory, and every write that the broker has not acknowledged.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from stepwell.schemas import codec
from stepwell.schemas.journal import (
    OWNER_KEY,
    Entry,
    ErrorInfo,
    InstanceCreated,
    InstanceKey,
    InstanceRecord,
    OwnerClaimed,
    StepSucceeded,
)
from stepwell.streams.engine.attempt import Attempt
from stepwell.streams.engine.fold import Verdict, fold, fold_claim
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import InstanceState, PartitionState
from stepwell.streams.engine.workflow import Workflow
from stepwell.streams.runtime.bodies import Job
from stepwell.streams.runtime.owner import RECLAIM_AFTER_MS, PartitionOwner, Phase, Surroundings


@dataclass
class Durable:
    """What survives every crash: the acknowledged part of the logs and the committed offset."""

    journal: list[tuple[bytes, bytes]] = field(default_factory=list)
    headers: dict[bytes, bytes] = field(default_factory=dict)
    history: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    committed: int = 0


class SimulatedRows:
    """Rows in a worker's memory; each write also waits in an ordered buffer per changelog."""

    def __init__(self, durable: Durable) -> None:
        self._headers = dict(durable.headers)
        self._history = dict(durable.history)
        self.unacknowledged: dict[str, list[Callable[[], None]]] = {"headers": [], "history": []}
        self._durable = durable

    def header(self, key: bytes) -> bytes | None:
        return self._headers.get(key)

    def put_header(self, key: bytes, value: bytes) -> None:
        self._headers[key] = value
        write = self._durable.headers.__setitem__
        self.unacknowledged["headers"].append(lambda: write(key, value))

    def headers(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self._headers.items())

    def history_row(self, key: bytes, offset: int) -> bytes | None:
        return self._history.get((key, offset))

    def put_history(self, key: bytes, offset: int, value: bytes) -> None:
        self._history[key, offset] = value
        write = self._durable.history.__setitem__
        self.unacknowledged["history"].append(lambda: write((key, offset), value))

    def delete_history(self, key: bytes, offset: int) -> None:
        self._history.pop((key, offset), None)
        delete = self._durable.history.pop
        self.unacknowledged["history"].append(lambda: delete((key, offset), None) and None)

    def history(self, key: bytes) -> Iterable[tuple[int, bytes]]:
        return sorted((o, value) for (k, o), value in self._history.items() if k == key)


class SimulatedBodies:
    """Jobs wait here until the world runs one."""

    def __init__(self) -> None:
        self.jobs: dict[Hashable, Job] = {}

    def submit(self, job: Job) -> None:
        assert job.id not in self.jobs, "a step was started twice by one owner"
        self.jobs[job.id] = job

    def cancel(self, owner: Hashable, instance: InstanceKey, step: StepKey) -> None:
        self.jobs.pop((owner, instance, step), None)


class Worker:
    """A process that owns the partition, or believes that it does."""

    def __init__(self, world: "World", number: int) -> None:
        self.world = world
        self.rows = SimulatedRows(world.durable)
        self.bodies = SimulatedBodies()
        self.unsent: list[tuple[bytes, bytes]] = []
        self.deferred: list[Callable[[], None]] = []
        self.position = world.durable.committed
        around = Surroundings(
            append=lambda _partition, key, value: self.unsent.append((key, value)),
            bodies=self.bodies,
            call_soon=self.put_off,
            workflow=world.workflow,
            clock=lambda: world.now_ms,
            observe=lambda _key, _record, _verdict: None,
            worker=f"worker-{number}",
        )
        self.owner = PartitionOwner(0, self.rows, f"claim-{number}", around)
        self.owner.start()

    def actions(self) -> list[Callable[[], None]]:
        """What this worker could do next."""
        actions: list[Callable[[], None]] = []
        if self.position < len(self.world.durable.journal):
            actions += [self.read] * 4
        if self.unsent:
            actions += [self.send] * 3
        actions += [self.acknowledge] if any(self.rows.unacknowledged.values()) else []
        actions += [self.commit] if not any(self.rows.unacknowledged.values()) else []
        actions += [self.run_body] * 2 if self.bodies.jobs else []
        actions += [self.turn] if self.deferred else []
        actions += [self.tick] if self.owner.phase is Phase.FENCED else []
        return actions

    def read(self) -> None:
        key, value = self.world.durable.journal[self.position]
        self.owner.handle(self.position, key, value)
        self.position += 1

    def send(self) -> None:
        self.world.durable.journal.append(self.unsent.pop(0))

    def acknowledge(self) -> None:
        """The broker acknowledges some writes of one changelog; the two are not ordered."""
        random = self.world.random
        waiting = random.choice([w for w in self.rows.unacknowledged.values() if w])
        for _ in range(random.randint(1, len(waiting))):
            waiting.pop(0)()

    def commit(self) -> None:
        if self.world.workers[-1] is self:  # the group coordinator refuses a zombie's commit
            self.world.durable.committed = max(self.world.durable.committed, self.position)

    def put_off(self, function: Callable[[], None]) -> None:
        self.deferred.append(function)

    def turn(self) -> None:
        """The event loop turns: what was put off is done."""
        deferred, self.deferred = self.deferred, []
        for function in deferred:
            function()

    def tick(self) -> None:
        self.world.now_ms += RECLAIM_AFTER_MS
        self.owner.tick()

    def run_body(self) -> None:
        job = self.bodies.jobs.pop(self.world.random.choice(list(self.bodies.jobs)))
        self.world.body_ran(self, job)


class World:
    """The deployment under one seed."""

    def __init__(
        self, seed: int, workflows: dict[str, type[Workflow]], *, bodies_fail: float
    ) -> None:
        self.random = Random(seed)
        self.durable = Durable()
        self.now_ms = 0
        self.workers: list[Worker] = []
        self.bodies_run: list[tuple[InstanceKey, StepKey]] = []
        self._workflows = workflows
        self._bodies_fail = bodies_fail
        self._started = 0
        self._reference = Reference()
        self.start_worker()

    def workflow(self, name: str) -> Workflow | None:
        workflow = self._workflows.get(name)
        return workflow() if workflow else None

    def create(self, key: InstanceKey, params: Any) -> None:
        """A producer publishes; now and then twice."""
        record = codec.encode(InstanceCreated(params, self.now_ms))
        for _ in range(self.random.choice((1, 1, 1, 2))):
            self.durable.journal.append((key.encode(), record))

    def start_worker(self) -> None:
        """A worker is assigned the partition; an earlier one that still runs is a zombie now."""
        self._started += 1
        self.workers.append(Worker(self, self._started))

    def crash(self) -> None:
        """The newest worker dies; another one recovers from what was acknowledged."""
        self.workers.pop()
        self.start_worker()

    def act(self) -> None:
        """One random action of one random worker, sometimes a crash or a takeover."""
        self.now_ms += 1
        chance = self.random.random()
        if chance < 0.02:
            self.crash()
        elif chance < 0.03:
            self.start_worker()
        elif chance < 0.06 and len(self.workers) > 1:
            self.workers.pop(0)  # the zombie notices, or dies
        else:
            worker = self.random.choice(self.workers)
            if actions := worker.actions():
                self.random.choice(actions)()

    def settle(self) -> None:
        """Faults stop: run the newest worker until nothing is left to do."""
        del self.workers[:-1]
        worker = self.workers[-1]
        for _ in range(100_000):
            busy = [action for action in worker.actions() if action != worker.commit]
            if not busy:
                worker.commit()
                return
            self.random.choice(busy)()
        raise AssertionError("does not come to rest")

    def body_ran(self, worker: Worker, job: Job) -> None:
        name = (job.instance, job.step.key)
        self.bodies_run.append(name)
        assert worker.owner.phase is Phase.ACTIVE, "a body ran outside ownership"
        finished_at = self.reference().finished_at.get(name, job.epoch)
        assert finished_at >= job.epoch, f"{name} was finished before this claim, and ran again"
        attempt = Attempt(job.step, job.run, job.epoch, self.now_ms)
        if self.random.random() < self._bodies_fail:
            record: Any = attempt.failed(ErrorInfo("Boom", ""), self.now_ms, retryable=True)
        else:
            result = job.step.function(*job.step.args)
            record = attempt.succeeded(result, self.now_ms)
        job.report(job, record, codec.encode(record))

    def reference(self) -> "Reference":
        """The journal folded from its beginning, without workers, crashes or rows."""
        journal = self.durable.journal
        for offset in range(self._reference.next_offset, len(journal)):
            key, value = journal[offset]
            self._reference.take(offset, key, codec.decode(value))
        return self._reference


class Reference:
    """What the journal says, by the fold alone."""

    def __init__(self) -> None:
        self._partition = PartitionState()
        self.next_offset = 0
        self.states: dict[InstanceKey, InstanceState] = {}
        self.accepted: dict[InstanceKey, list[InstanceRecord]] = defaultdict(list)
        self.finished: dict[tuple[InstanceKey, StepKey], Any] = {}
        self.finished_at: dict[tuple[InstanceKey, StepKey], int] = {}
        self.verdicts: dict[Verdict, int] = defaultdict(int)

    def take(self, offset: int, raw_key: bytes, record: Any) -> None:
        self.next_offset = offset + 1
        if raw_key == OWNER_KEY:
            assert isinstance(record, OwnerClaimed)
            fold_claim(self._partition, offset)
            return
        key = InstanceKey.decode(raw_key)
        folded = fold(self._partition, self.states.get(key), Entry(offset, record))
        self.verdicts[folded.verdict] += 1
        if folded.verdict is not Verdict.ACCEPTED:
            return
        assert folded.state is not None
        self.states[key] = folded.state
        self.accepted[key].append(record)
        if isinstance(record, StepSucceeded):
            step = (key, StepKey(record.step, record.occurrence))
            self.finished[step], self.finished_at[step] = record.result, offset
