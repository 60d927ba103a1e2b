"""One owned journal partition: folds its records into rows, and lets its instances be carried.

Life: recovered -> claiming (folds, starts nothing) -> its own claim is read back -> active ->
fenced (another owner's claim was read) -> claiming again, or released (the partition was revoked).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import StrEnum

import structlog

from stepwell.schemas import codec
from stepwell.schemas.commands import DeleteRequested, RestartRequested
from stepwell.schemas.journal import (
    OWNER_KEY,
    Entry,
    InstanceContinued,
    InstanceCreated,
    InstanceErrored,
    InstanceKey,
    InstancePaused,
    InstancePurged,
    InstanceRecord,
    InstanceStarted,
    OwnerClaimed,
    OwnerRecord,
    OwnerReleased,
    StreamChunk,
)
from stepwell.streams.engine.fold import Verdict, ended_as, fold
from stepwell.streams.engine.limits import RESULT_BYTES_MAX
from stepwell.streams.engine.state import InstanceState, Status
from stepwell.streams.runtime.carrier import Carrier
from stepwell.streams.runtime.claims import Claims
from stepwell.streams.runtime.headers import header_of, rests_until_ms
from stepwell.streams.runtime.kin import Kin
from stepwell.streams.runtime.near_limits import RECORD_BYTES, RECORD_BYTES_NEAR
from stepwell.streams.runtime.retelling import Retelling
from stepwell.streams.runtime.rows import Header, Rows, delete_rows, dropped_offsets, load
from stepwell.streams.runtime.surroundings import Surroundings
from stepwell.streams.spans import Ending, Run

log = structlog.get_logger(__name__)

LOOKED_AT_AT_ONCE = 100
"""So many instances are looked at in one turn of the loop: heartbeats must get through."""

RECLAIM_AFTER_MS = 5_000
"""A fenced owner that still owns its partition after this time claims it again.

The claim that fenced it was then a zombie's, delayed on its way. Longer than a heartbeat: a zombie
hears of its revocation first, and never claims again.
"""

SWEEP_EVERY_MS = 10 * 60_000
"""How often all headers are looked at for what comes due before the next time."""


class Phase(StrEnum):
    """Where an owner is in its life."""

    CLAIMING = "claiming"
    ACTIVE = "active"
    FENCED = "fenced"
    RELEASED = "released"


class PartitionOwner:
    """Owns one journal partition between its recovery and its revocation."""

    def __init__(self, partition: int, rows: Rows, claim: str, around: Surroundings) -> None:
        self.partition = partition
        self.phase = Phase.CLAIMING
        self._rows = rows
        self._claim = claim
        self._around = around
        self._claims = Claims(rows)
        self.carrier = Carrier(partition, rows, around)
        self._kin = Kin(rows, self.carrier, around)
        self._retelling = Retelling(rows, around.announce)
        self._folding: dict[bytes, InstanceState] = {}
        """States of instances while records are only folded and nothing is carried."""
        self._doubtful: set[bytes] = set()
        """Instances that have moved while nothing was carried; their headers say so."""
        self._sweep: Iterator[tuple[bytes, bytes]] | None = None
        self._swept_at_ms = 0
        self._fenced_at_ms = 0

    @property
    def live(self) -> int:
        """How many instances are in memory."""
        return len(self.carrier)

    def start(self) -> None:
        """Append the claim. Nothing runs before it has been read back."""
        around = self._around
        claim = OwnerClaimed(around.worker, self._claim, around.clock())
        around.append(self.partition, OWNER_KEY, codec.encode(claim))

    def tick(self) -> None:
        """Call about every second: claims again what was lost to a zombie; sweeps now and then."""
        now_ms = self._around.clock()
        if self.phase is Phase.FENCED and now_ms - self._fenced_at_ms >= RECLAIM_AFTER_MS:
            self.phase = Phase.CLAIMING
            self.start()
        elif self.phase is Phase.ACTIVE:
            self._around.isolation.tick(now_ms)
            if self._sweep is None and now_ms - self._swept_at_ms >= SWEEP_EVERY_MS:
                self._begin_sweep(self._look_at)

    def release(self) -> None:
        """Forget every instance; the caller ends the bodies (`StepBodies.cancel_owner`)."""
        if self.phase is not Phase.RELEASED:  # nobody died, even if it never came to anything
            released = OwnerReleased(self._claim, self._around.clock())
            self._around.append(self.partition, OWNER_KEY, codec.encode(released))
        self.phase = Phase.RELEASED
        self._sweep = None
        self.carrier.stop(cancel_bodies=False)

    def handle(self, offset: int, key: bytes, value: bytes) -> None:
        """Take one record of the journal, in order; raises `JournalCorrupt` when it is none."""
        record = codec.decode(value)
        if isinstance(record, OwnerRecord):
            self._claims.take(offset, record, value)
            if isinstance(record, OwnerClaimed):
                self._claimed(offset, record)
            return
        if self.phase is not Phase.CLAIMING or not self._rewrite(offset, key, record):
            self._take(offset, key, record, value)

    def _claimed(self, offset: int, claim: OwnerClaimed) -> None:
        is_ours = claim.claim == self._claim
        if is_ours and self.phase is Phase.CLAIMING:
            self.phase = Phase.ACTIVE
            self._folding.clear()
            self._doubtful.clear()
            self._retelling.over()
            self.carrier.begin(self._claims.partition.epoch, self._claims.lost)
            self._begin_sweep(self._activate)
        elif self.phase is Phase.ACTIVE and not is_ours:
            log.warning("fenced", partition=self.partition, by=claim.worker, epoch=offset)
            self.phase = Phase.FENCED
            self._fenced_at_ms = self._around.clock()
            self._sweep = None
            self.carrier.stop(cancel_bodies=True)

    # --- looking at everything ------------------------------------------------------------------

    def _begin_sweep(self, look: Callable[[bytes, Header], None]) -> None:
        self._swept_at_ms = self._around.clock()
        self._sweep = self._rows.headers()
        self._sweep_some(look)

    def _sweep_some(self, look: Callable[[bytes, Header], None]) -> None:
        """Look at some of the instances found here; at the rest in later turns.

        Records that arrive for the rest meanwhile are folded into their rows, and replayed then.
        """
        for _ in range(LOOKED_AT_AT_ONCE):
            found = next(self._sweep, None) if self._sweep is not None else None
            if found is None or self.phase is not Phase.ACTIVE:
                self._sweep = None
                return
            key, raw = found
            if self.carrier.state(key) is None:
                look(key, Header.decode(raw))
        self._around.call_soon(lambda: self._sweep_some(look))

    def _look_at(self, key: bytes, header: Header) -> None:
        """What is due later than the next two sweeps waits for the next one."""
        soon_ms = self._swept_at_ms + 2 * SWEEP_EVERY_MS
        if header.wake_at_ms is not None and header.wake_at_ms <= soon_ms:
            self.carrier.alarms.set(header.wake_at_ms, key)

    def _activate(self, key: bytes, header: Header) -> None:
        """The first look at an instance: go on with what an owner before us left."""
        # After a death, a header may be behind its history, or a frozen worker's late one.
        died = len(self._claims.lost) > 1 and header.status is Status.WAITING
        if header.rests and not died and not header.unsure:
            self._look_at(key, header)
            return
        history = load(self._rows, key)
        if history is None:
            self._rows.delete_header(key)
            return
        now = header_of(key, history, self._around)
        if now != header:
            self._rows.put_header(key, now.encode())
        if now.status.terminal and header.unsure:
            self._kin.let_abandoned_go(key)
        if now.rests and not (now.status is Status.WAITING and header.unsure):
            self._look_at(key, now)
        else:
            self.carrier.carry(key, history, woken=True)

    def _doubt(self, key: bytes) -> None:
        """Nothing is carried yet: what follows from this record is for the first look."""
        if key not in self._doubtful:
            self._doubtful.add(key)
            raw = self._rows.header(key)
            header = Header.decode(raw) if raw else Header(Status.RUNNING, 0, 0)
            self._rows.put_header(key, replace(header, unsure=True).encode())

    # --- records ------------------------------------------------------------------------------

    def _rewrite(self, offset: int, key: bytes, record: InstanceRecord) -> bool:
        """Write a redelivered record's rows again: they may not have reached the changelog.

        What followed from it may be lost as well: relatives, and the world, are told again.
        """
        raw = self._rows.history_row(key, offset)
        if raw is None:
            return False
        self._rows.put_history(key, offset, raw)
        self._doubt(key)
        self._retelling.tell(offset, key, record)
        self._kin.created(key, record)
        self._kin.let_children_go(offset, key, record)
        if ended := ended_as(record):
            self._kin.ended(key, self._created(key), ended, record)
        return True

    def _take(self, offset: int, key: bytes, record: InstanceRecord, value: bytes) -> None:
        state = self._look_up(key)
        status, run = (state.status, state.run) if state else (None, None)
        folded = fold(self._claims.partition, state, Entry(offset, record))
        self._around.observe(InstanceKey.decode(key), record, folded.verdict)
        if folded.verdict is not Verdict.ACCEPTED:
            self._refuse(key, record, known=state is not None)
            return
        if len(value) >= RECORD_BYTES_NEAR and not isinstance(record, StreamChunk):
            self._around.near_limits.tell(key, RECORD_BYTES, len(value), RESULT_BYTES_MAX)
        self._kin.let_children_go(offset, key, record)
        state = folded.state
        if state is None:
            self._forget(offset, key, record)
            return
        self._rows.put_history(key, offset, value)
        if self.phase is not Phase.ACTIVE:
            self._folding[key] = state
        if state.run != run:
            if run is not None and status is not None and not status.terminal:
                self._trace_next(key, run, record)
            self._begin_run(key, state, record, run)
        elif state.status is not status:
            self._change_status(key, state, record)
        elif self.phase is Phase.ACTIVE:
            self.carrier.advance(key, state, record)
        else:
            self._doubt(key)

    def _look_up(self, key: bytes) -> InstanceState | None:
        if self.phase is not Phase.ACTIVE:
            held = self._folding.get(key)
        elif (held := self.carrier.state(key)) is None and self._rows.header(key) is None:
            return None  # the common case, a new instance: nothing to scan for
        if held is None and (history := load(self._rows, key)):
            return history.state
        return held

    def _begin_run(
        self, key: bytes, state: InstanceState, record: InstanceRecord, run: int | None
    ) -> None:
        """A run begins: of a new instance, or after run `run`, whose rows are not needed."""
        if ended := ended_as(record):  # a debounced creation had come meanwhile
            assert run is not None
            self._end(key, run, record, ended)
        if run is not None:
            history = load(self._rows, key)
            assert history is not None
            for offset in dropped_offsets(self._rows, key, history, record):
                self._rows.delete_history(key, offset)
        header = self._put_header(key, state, record)
        self._around.announce(InstanceKey.decode(key), state.status, state.offset, record)
        self._kin.created(key, record)
        if self.phase is Phase.ACTIVE:
            if header.wake_at_ms is not None:
                self._look_at(key, header)
            else:
                self.carrier.advance(key, state, record)

    def _change_status(self, key: bytes, state: InstanceState, record: InstanceRecord) -> None:
        ended = ended_as(record)
        created = self._end(key, state.run, record, ended) if ended else None
        header = self._put_header(key, state, record, created)
        self._around.announce(InstanceKey.decode(key), state.status, state.offset, record)
        if self.phase is Phase.ACTIVE:
            if ended:
                self._look_at(key, header)
            else:
                self.carrier.advance(key, state, record)

    def _end(self, key: bytes, run: int, record: InstanceRecord, ended: Status) -> InstanceCreated:
        created = self._created(key)
        self._trace_end(key, created, run, record, ended)
        self.carrier.drop(key)
        self._folding.pop(key, None)
        self._kin.ended(key, created, ended, record)
        return created

    def _trace_next(self, key: bytes, run: int, record: InstanceRecord) -> None:
        """A run is over because another one begins."""
        if isinstance(record, InstanceContinued | RestartRequested):
            ended = "continued" if isinstance(record, InstanceContinued) else "restarted"
            self._trace_end(key, self._created(key), run, record, ended)

    def _trace_end(
        self, key: bytes, created: InstanceCreated, run: int, record: InstanceRecord, ended: str
    ) -> None:
        if created.trace is None:
            return
        began = self._rows.history_row(key, run)
        started_ms = codec.decode(began).at_ms if began else record.at_ms
        error = record.error if isinstance(record, InstanceErrored) else None
        ending = Ending(ended, started_ms, record.at_ms, error)
        self._around.tracing.ended(Run(created.trace, InstanceKey.decode(key), run), ending)

    def _forget(self, offset: int, key: bytes, record: InstanceRecord) -> None:
        """Deleted or purged: nothing is kept."""
        history = load(self._rows, key)
        self.carrier.drop(key)
        self._folding.pop(key, None)
        if history and history.state and history.created and not history.state.status.terminal:
            self._kin.ended(key, history.created, Status.TERMINATED, record)
        delete_rows(self._rows, key)
        self._around.announce(InstanceKey.decode(key), None, offset, record)

    def _refuse(self, key: bytes, record: InstanceRecord, *, known: bool) -> None:
        if isinstance(record, DeleteRequested | InstancePurged | InstanceStarted) and not known:
            delete_rows(self._rows, key)  # what a crash left of it
        elif isinstance(record, InstanceCreated):
            self._kin.refused(key, record)

    # --- rows ---------------------------------------------------------------------------------

    def _put_header(
        self,
        key: bytes,
        state: InstanceState,
        record: InstanceRecord,
        created: InstanceCreated | None = None,
    ) -> Header:
        unsure = self.phase is not Phase.ACTIVE
        if unsure:
            self._doubtful.add(key)
            wake_at_ms = None  # for the first look
        elif state.status is Status.WAITING:
            if self.carrier.state(key) is not None:
                wake_at_ms = self.carrier.wake_at_ms(key)
            else:
                history = load(self._rows, key)
                wake_at_ms = history.earliest_wake_ms() if history else None
        elif state.debounced or state.status.terminal:
            if isinstance(record, InstanceCreated):
                created = record
            created = created or self._created(key)
            wake_at_ms = rests_until_ms(key, state, created, record.at_ms, self._around)
        else:
            wake_at_ms = None
        reason = record.reason if isinstance(record, InstancePaused) else ""
        header = Header.of(state, wake_at_ms, reason, unsure=unsure)
        self._rows.put_header(key, header.encode())
        return header

    def _created(self, key: bytes) -> InstanceCreated:
        if created := self.carrier.created(key):
            return created
        history = load(self._rows, key)
        assert history is not None
        assert history.created is not None
        return history.created
