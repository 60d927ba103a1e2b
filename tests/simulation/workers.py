"""Worker processes of the simulation: each carries one partition until it crashes or is fenced."""

from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from stepwell.schemas import codec
from stepwell.schemas.journal import InstanceKey
from stepwell.schemas.parts import Retention
from stepwell.streams.engine.attempt import Attempt
from stepwell.streams.engine.errors import NonRetryableError, describe_error
from stepwell.streams.engine.execution import Execution
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.settling import STREAM_TAG
from stepwell.streams.runtime.admission import Gate
from stepwell.streams.runtime.bodies import Job
from stepwell.streams.runtime.owner import (
    RECLAIM_AFTER_MS,
    SWEEP_EVERY_MS,
    PartitionOwner,
    Phase,
)
from stepwell.streams.runtime.rows import load
from stepwell.streams.runtime.surroundings import Surroundings
from tests.simulation.durable import SimulatedRows

if TYPE_CHECKING:
    from tests.simulation.world import World

RETENTION = Retention(success_ms=10 * 24 * 3_600_000, error_ms=20 * 24 * 3_600_000)
REPLAYED_SHARE = 0.1
"""After so many of the records that it reads, a worker's execution is compared with a replay."""


class Chunks(list[str]):
    """What a simulated body returns that yields."""


def no_luck(*_args: Any) -> Any:
    """A body that fails."""
    raise ConnectionError("no luck")


class SimulatedBodies:
    """Jobs wait here until the world runs one."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.jobs: dict[Hashable, Job] = {}
        self.now_ms = now_ms

    def due(self) -> list[Hashable]:
        return [name for name, job in self.jobs.items() if job.step.not_before_ms <= self.now_ms()]

    def submit(self, job: Job) -> None:
        assert job.id not in self.jobs, "a step was started twice by one owner"
        self.jobs[job.id] = job

    def cancel(self, owner: Hashable, instance: InstanceKey, step: StepKey) -> None:
        self.jobs.pop((owner, instance, step), None)

    def withdraw(self, owner: Hashable, instance: InstanceKey, step: StepKey) -> bool:
        job = self.jobs.get((owner, instance, step))
        waits = job is not None and job.step.not_before_ms > self.now_ms()
        if waits:
            self.cancel(owner, instance, step)
        return waits


class SimulatedAlarm:
    """A call that a worker put off."""

    def __init__(self, at_ms: int, function: Callable[[], None]) -> None:
        self.at_ms, self.function = at_ms, function
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Worker:
    """A process that owns a partition, or believes that it does."""

    def __init__(self, world: "World", number: int, partition: int = 0) -> None:
        self.world = world
        self.partition = partition
        self.durable = world.durables[partition]
        self.rows = SimulatedRows(self.durable)
        self.bodies = SimulatedBodies(lambda: world.now_ms)
        self.alarms: list[SimulatedAlarm] = []
        self.unsent: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
        self.deferred: list[Callable[[], None]] = []
        self.position = self.durable.committed
        self.gate = Gate(world.places, lambda: world.now_ms, self.call_later)
        around = Surroundings(
            append=lambda to, key, value: self.unsent[to].append((key, value)),
            append_instance=lambda k, value: self.unsent[world.partition_of(k)].append((k, value)),
            bodies=self.bodies,
            call_soon=self.deferred.append,
            call_later=self.call_later,
            workflow=world.workflow,
            clock=lambda: world.now_ms,
            observe=lambda _key, _record, _verdict: None,
            worker=f"worker-{number}",
            gate=self.gate,
            announce=self.rows.announce,
            in_memory_max=1,
            retention=RETENTION,
        )
        self.owner = PartitionOwner(partition, self.rows, f"claim-{number}", around)
        self.owner.start()

    def actions(self) -> list[Callable[[], None]]:
        """What this worker could do next without letting time pass."""
        actions: list[Callable[[], None]] = []
        if self.position < len(self.durable.journal):
            actions += [self.read] * 4
        if any(self.unsent.values()):
            actions += [self.send] * 3
        if any(self.rows.unacknowledged.values()):
            actions += [self.acknowledge]
        actions += [self.run_body] * 2 if self.bodies.due() else []
        actions += [self.turn] if self.deferred else []
        return actions

    @property
    def may_commit(self) -> bool:
        """A commit waits until everything that was appended and written is acknowledged."""
        return not any(self.rows.unacknowledged.values()) and not any(self.unsent.values())

    def read(self) -> None:
        key, value = self.durable.journal[self.position]
        self.owner.handle(self.position, key, value)
        self.position += 1
        if self.world.random.random() < REPLAYED_SHARE:
            self.compare_with_replay(key)

    def compare_with_replay(self, key: bytes) -> None:
        """What is carried in memory is what a replay of the rows would come to."""
        live = self.owner.carrier._live.get(key)
        workflow = self.world.workflow(key.decode().partition("/")[0])
        if live is None or workflow is None:
            return
        history = load(self.rows, key)
        assert history is not None
        assert history.state == live.state, f"{key!r}: rows and memory differ"
        again = Execution(workflow, history.run(live.name))
        expected = again.replay(history.records)
        assert live.execution.outstanding() == expected, f"{key!r}: a replay asks for other things"
        assert again.now_ms == live.execution.now_ms, f"{key!r}: now() is another in a replay"
        again.close()

    def send(self) -> None:
        """The broker takes a record; there is an order only within a partition."""
        partition = self.world.random.choice([p for p, waiting in self.unsent.items() if waiting])
        self.world.durables[partition].journal.append(self.unsent[partition].pop(0))

    def acknowledge(self) -> None:
        """The broker acknowledges some writes of one changelog; the two are not ordered."""
        random = self.world.random
        waiting = random.choice([w for w in self.rows.unacknowledged.values() if w])
        for _ in range(random.randint(1, len(waiting))):
            waiting.pop(0)()
        self.durable.has_late_writes |= self.world.newest(self.partition) is not self

    def commit(self) -> None:
        if self.may_commit and self.world.newest(self.partition) is self:  # not a zombie's
            self.durable.committed = max(self.durable.committed, self.position)

    def release(self) -> None:
        """A rebalance takes the partition away: everything is sent before it is given up."""
        self.owner.release()
        self.bodies.jobs.clear()
        while any(self.unsent.values()):
            self.send()
        while any(self.rows.unacknowledged.values()):
            self.acknowledge()
        self.commit()

    def die(self) -> None:
        """It is gone from one moment to the next; only its coroutines are tidied up."""
        for live in self.owner.carrier._live.values():
            live.execution.close()

    # --- time ---------------------------------------------------------------------------------

    def call_later(self, ms: int, function: Callable[[], None]) -> SimulatedAlarm:
        alarm = SimulatedAlarm(self.world.now_ms + ms, function)
        self.alarms.append(alarm)
        return alarm

    def next_ms(self) -> int:
        """When something is to be done here that waits for its time."""
        self.alarms = [alarm for alarm in self.alarms if not alarm.is_cancelled]
        times = [alarm.at_ms for alarm in self.alarms]
        times += [job.step.not_before_ms for job in self.bodies.jobs.values()]
        if self.owner.phase is Phase.FENCED:
            times.append(self.owner._fenced_at_ms + RECLAIM_AFTER_MS)
        else:
            times.append(self.owner._swept_at_ms + SWEEP_EVERY_MS)
        return min(times)

    def ring(self) -> None:
        """What is due is done."""
        self.owner.tick()
        now_ms = self.world.now_ms
        due = [alarm for alarm in self.alarms if alarm.at_ms <= now_ms]
        for alarm in sorted(due, key=lambda alarm: alarm.at_ms):
            self.alarms.remove(alarm)
            if not alarm.is_cancelled:
                alarm.function()

    def turn(self) -> None:
        """The event loop turns: what was put off is done."""
        deferred = list(self.deferred)
        self.deferred.clear()
        for function in deferred:
            function()

    # --- bodies -------------------------------------------------------------------------------

    def run_body(self) -> None:
        """One body runs, all of it, or up to its next chunk."""
        random, now_ms = self.world.random, self.world.now_ms
        name = random.choice(self.bodies.due())
        job = self.bodies.jobs[name]
        self.world.body_runs(self, job)
        attempt = Attempt(job.step, job.run, job.epoch, now_ms)
        record: Any
        try:
            function = no_luck if random.random() < self.world.bodies_fail else job.step.function
            result = function(*job.step.args)
        except (ConnectionError, NonRetryableError) as error:
            may_retry = isinstance(error, ConnectionError)
            record = attempt.failed(describe_error(error), now_ms, retryable=may_retry)
        else:
            if isinstance(result, Chunks):
                for index, data in enumerate(result):
                    chunk = attempt.chunk(index, data, now_ms)
                    job.report(job, chunk, codec.encode(chunk))
                result = {STREAM_TAG: len(result)}
            record = attempt.succeeded(result, now_ms)
        del self.bodies.jobs[name]
        job.report(job, record, codec.encode(record))
