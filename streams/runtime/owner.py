"""One owned journal partition: folds its records into rows, carries its instances, obeys the fence.

Life: recovered -> claiming (folds, starts nothing) -> its own claim is read back -> active ->
fenced (another owner's claim was read) -> claiming again, or released (the partition was revoked).
"""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import structlog

from stepwell.schemas import codec
from stepwell.schemas.events import Json
from stepwell.schemas.journal import (
    OWNER_KEY,
    AttemptFailed,
    Entry,
    ErrorInfo,
    InstanceCompleted,
    InstanceCreated,
    InstanceErrored,
    InstanceKey,
    InstancePaused,
    InstanceRecord,
    InstanceResumed,
    OwnerClaimed,
    StepFailed,
    StepRecord,
    StepSucceeded,
)
from stepwell.schemas.values import NotSerialisable
from stepwell.streams.engine.effects import CancelStep, Complete, Effect, Fail, RunStep
from stepwell.streams.engine.errors import Diverged
from stepwell.streams.engine.execution import Execution
from stepwell.streams.engine.fold import Verdict, changes_status, fold, fold_claim
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import InstanceState, PartitionState, Status
from stepwell.streams.engine.workflow import Workflow
from stepwell.streams.runtime.bodies import Job
from stepwell.streams.runtime.clock import Clock
from stepwell.streams.runtime.rows import Header, Rows, load

log = structlog.get_logger(__name__)

CARRY_ON_AT_ONCE = 100
"""So many instances are replayed in one turn of the loop: heartbeats must get through."""

RECLAIM_AFTER_MS = 5_000
"""A fenced owner that still owns its partition after this time claims it again.

The claim that fenced it was then a zombie's, delayed on its way. Longer than a heartbeat: a zombie
hears of its revocation first, and never claims again.
"""


class Phase(StrEnum):
    """Where an owner is in its life."""

    CLAIMING = "claiming"
    ACTIVE = "active"
    FENCED = "fenced"
    RELEASED = "released"


@dataclass(slots=True)
class _Live:
    """An instance that may still move, and its execution once the partition is active."""

    name: InstanceKey
    state: InstanceState
    execution: Execution | None = None


class Bodies(Protocol):
    """Runs step bodies; `StepBodies` in production."""

    def submit(self, job: Job) -> None:
        """Run the job when it is due; it reports its record once."""
        ...

    def cancel(self, owner: Hashable, instance: InstanceKey, step: StepKey) -> None:
        """Forget a job; it reports nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an owner needs from the worker around it."""

    append: Callable[[int, bytes, bytes], None]
    """Append (partition, key, value) to the journal; a failed delivery ends the worker."""
    bodies: Bodies
    call_soon: Callable[[Callable[[], None]], object]
    """Call a function in a later turn of the loop."""
    workflow: Callable[[str], Workflow | None]
    """A fresh workflow object by name, or None when this worker does not know it."""
    clock: Clock
    observe: Callable[[InstanceKey, InstanceRecord, Verdict], None]
    """Told of every record and what became of it; must not raise."""
    worker: str


class PartitionOwner:
    """Owns one journal partition between its recovery and its revocation."""

    def __init__(self, partition: int, rows: Rows, claim: str, around: Surroundings) -> None:
        self.partition = partition
        self.phase = Phase.CLAIMING
        self._rows = rows
        self._claim = claim
        self._around = around
        self._live: dict[bytes, _Live] = {}
        self._to_carry_on: deque[bytes] = deque()
        self._fenced_at_ms = 0
        claims = [offset for offset, _ in rows.history(OWNER_KEY)]
        self._owner = PartitionState(epoch=max(claims, default=-1))

    @property
    def live(self) -> int:
        """How many instances may still move."""
        return len(self._live)

    def start(self) -> None:
        """Append the claim. Nothing runs before it has been read back."""
        around = self._around
        claim = OwnerClaimed(around.worker, self._claim, around.clock())
        around.append(self.partition, OWNER_KEY, codec.encode(claim))

    def tick(self) -> None:
        """Call about every second: a fenced owner that still owns the partition claims again."""
        fenced_for_ms = self._around.clock() - self._fenced_at_ms
        if self.phase is Phase.FENCED and fenced_for_ms >= RECLAIM_AFTER_MS:
            self.phase = Phase.CLAIMING
            self.start()

    def release(self) -> None:
        """Forget every instance; the caller ends the bodies (`StepBodies.cancel_owner`)."""
        self.phase = Phase.RELEASED
        for live in self._live.values():
            if live.execution is not None:
                live.execution.close()
        self._live.clear()

    def handle(self, offset: int, key: bytes, value: bytes) -> None:
        """Take one record of the journal, in order; raises `JournalCorrupt` when it is none."""
        record = codec.decode(value)
        if isinstance(record, OwnerClaimed):
            self._take_claim(offset, record, value)
        elif self.phase is Phase.CLAIMING and self._rewrite(offset, key):
            return
        else:
            self._take(offset, key, record, value)

    # --- claims -------------------------------------------------------------------------------

    def _take_claim(self, offset: int, claim: OwnerClaimed, value: bytes) -> None:
        if fold_claim(self._owner, offset):
            earlier = [row for row, _ in self._rows.history(OWNER_KEY)]
            self._rows.put_history(OWNER_KEY, offset, value)
            for row in earlier:
                self._rows.delete_history(OWNER_KEY, row)
        if claim.claim == self._claim and self.phase is Phase.CLAIMING:
            self._activate()
        elif self.phase is Phase.ACTIVE and claim.claim != self._claim:
            log.warning("fenced", partition=self.partition, by=claim.worker, epoch=offset)
            self._fence()

    def _activate(self) -> None:
        self.phase = Phase.ACTIVE
        self._to_carry_on = deque(
            key for key, raw in self._rows.headers() if not Header.decode(raw).status.terminal
        )
        self._carry_on_some()

    def _carry_on_some(self) -> None:
        """Replay some of the instances that were found here; the rest in later turns.

        Records that arrive for the rest meanwhile are folded into their rows, and replayed then.
        """
        for _ in range(CARRY_ON_AT_ONCE):
            if self.phase is not Phase.ACTIVE or not self._to_carry_on:
                return
            key = self._to_carry_on.popleft()
            live = self._live.get(key)
            if live is None or live.execution is None:
                self._carry_on(key)
        self._around.call_soon(self._carry_on_some)

    def _fence(self) -> None:
        self.phase = Phase.FENCED
        self._fenced_at_ms = self._around.clock()
        for live in self._live.values():
            self._drop_execution(live)

    # --- records ------------------------------------------------------------------------------

    def _rewrite(self, offset: int, key: bytes) -> bool:
        """Write a redelivered record's rows again: they may not have reached the changelog."""
        raw = self._rows.history_row(key, offset)
        if raw is None:
            return False
        self._rows.put_history(key, offset, raw)
        if loaded := load(self._rows, key):
            self._rows.put_header(key, Header.of(loaded.state).encode())
        return True

    def _take(self, offset: int, key: bytes, record: InstanceRecord, value: bytes) -> None:
        live = self._live.get(key)
        name, state = (live.name, live.state) if live else self._look_up(key)
        folded = fold(self._owner, state, Entry(offset, record))
        self._around.observe(name, record, folded.verdict)
        if folded.verdict is not Verdict.ACCEPTED:
            return
        assert folded.state is not None
        self._rows.put_history(key, offset, value)
        if changes_status(record):
            self._rows.put_header(key, Header.of(folded.state).encode())
        if live is None:
            live = self._live[key] = _Live(name, folded.state)
        if folded.state.status.terminal:
            self._drop_execution(live)
            del self._live[key]
        elif self.phase is Phase.ACTIVE:
            self._advance(key, live, record)

    def _look_up(self, key: bytes) -> tuple[InstanceKey, InstanceState | None]:
        name = InstanceKey.decode(key)
        if self.phase is Phase.ACTIVE and self._rows.header(key) is None:
            return name, None  # the common case, a new instance: nothing to scan for
        loaded = load(self._rows, key)
        return name, loaded.state if loaded else None

    def _advance(self, key: bytes, live: _Live, record: InstanceRecord) -> None:
        match record:
            case InstanceCreated():
                if execution := self._execution(live, record):
                    live.execution = execution
                    self._obey(live, execution.start())
            case InstanceResumed():
                self._carry_on(key)
            case InstancePaused():
                self._drop_execution(live)
            case StepSucceeded() | StepFailed() | AttemptFailed() if live.execution is not None:
                try:
                    self._obey(live, live.execution.deliver(record))
                except Diverged as error:
                    self._pause(live, "diverged", str(error))
            case _:
                pass  # a step that ended while its instance is paused: kept in the rows

    # --- executions ---------------------------------------------------------------------------

    def _carry_on(self, key: bytes) -> None:
        """Replay an instance from its rows; what it still waits for is run now."""
        loaded = load(self._rows, key)
        assert loaded is not None, f"header row without history: {key!r}"
        if loaded.state.status.terminal:  # the header row was behind
            self._rows.put_header(key, Header.of(loaded.state).encode())
            return
        live = self._live[key] = _Live(InstanceKey.decode(key), loaded.state)
        execution = self._execution(live, loaded.created)
        if execution is None:
            return
        try:
            effects = execution.replay(loaded.steps)
        except Diverged as error:
            self._pause(live, "diverged", str(error))
            return
        if loaded.state.status is Status.PAUSED:  # the code agrees with the history again
            execution.close()
            self._append(live, InstanceResumed(*self._stamp(live), "replays again"))
            return
        live.execution = execution
        self._obey(live, effects)

    def _execution(self, live: _Live, created: InstanceCreated) -> Execution | None:
        workflow = self._around.workflow(live.name.workflow)
        if workflow is None:
            detail = f"this worker has no workflow {live.name.workflow!r}: restart it with it"
            self._pause(live, "unknown-workflow", detail)
            return None
        return Execution(workflow, live.name, created)

    def _pause(self, live: _Live, reason: str, detail: str) -> None:
        self._drop_execution(live)
        if live.state.status is not Status.PAUSED:
            log.warning("paused", instance=str(live.name), reason=reason, detail=detail)
            self._append(live, InstancePaused(*self._stamp(live), reason, detail))

    def _drop_execution(self, live: _Live) -> None:
        execution, live.execution = live.execution, None
        if execution is not None:
            for effect in execution.outstanding():
                if isinstance(effect, RunStep):
                    self._around.bodies.cancel(self, live.name, effect.key)
            execution.close()

    # --- effects ------------------------------------------------------------------------------

    def _obey(self, live: _Live, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case RunStep():
                    epoch = self._owner.epoch
                    job = Job(self, live.name, live.state.run, epoch, effect, self._report)
                    self._around.bodies.submit(job)
                case CancelStep():
                    self._around.bodies.cancel(self, live.name, effect.key)
                case Fail():
                    self._append(live, InstanceErrored(*self._stamp(live), effect.error))
                case Complete():
                    self._complete(live, effect.output)

    def _report(self, job: Job, _record: StepRecord, raw: bytes) -> None:
        if self.phase is Phase.ACTIVE:
            self._around.append(self.partition, job.instance.encode(), raw)

    def _complete(self, live: _Live, output: Json) -> None:
        try:
            self._append(live, InstanceCompleted(*self._stamp(live), output))
        except NotSerialisable as error:
            info = ErrorInfo("NotSerialisable", f"the output of the workflow: {error}")
            self._append(live, InstanceErrored(*self._stamp(live), info))

    def _stamp(self, live: _Live) -> tuple[int, int, int]:
        return live.state.run, self._owner.epoch, self._around.clock()

    def _append(self, live: _Live, record: InstanceRecord) -> None:
        self._around.append(self.partition, live.name.encode(), codec.encode(record))
