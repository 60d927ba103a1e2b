"""Takes journal records into the tables: what the fold accepts changes them, all else does not.

Everything that a batch changes, and how far was read, is one transaction. States are folded as a
worker folds them, and kept in memory while they are in use; one that is not is folded again from
the records that are stored.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

import apsw

from stepwell.schemas import codec
from stepwell.schemas.commands import Command
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.journal import (
    Entry,
    InstanceCreated,
    InstanceKey,
    InstancePaused,
    InstanceRecord,
    OwnerClaimed,
    OwnerRecord,
)
from stepwell.streams.engine.fold import Verdict, fold, fold_claim
from stepwell.streams.engine.history import History
from stepwell.streams.engine.state import TERMINAL, InstanceState, Status
from stepwell.streams.gateway.judging import Judgement, Ruling, ruling_of
from stepwell.streams.gateway.telling import error_of, reason_of
from stepwell.streams.lists import InstanceChange
from stepwell.streams.readmodel.errors import JournalReplaced
from stepwell.streams.readmodel.store import (
    Place,
    make_anew,
    mark_of,
    read_history,
    read_places,
    transaction,
)

STATES_MAX = 50_000
"""So many instances are kept in memory; others are folded again when something happens to them."""
RULINGS_KEPT = 1_000_000
"""What became of a command is known until its partition has so many records after it."""
RECENT_RULINGS = 10_000
"""So many of the last ones are known even when their instance is gone."""

PARTITION_BITS = 16
_INTEGER_END = 2**63

Row = tuple[int, int, bytes, bytes]
"""A record of the journal: partition, offset, key, value."""


@dataclass(slots=True)
class _Line:
    """An instance in memory: its row, and its state."""

    id: int
    name: InstanceKey
    state: InstanceState
    created_ms: int
    updated_ms: int
    error: str | None = None
    reason: str | None = None
    subject: str | None = None
    parent: tuple[str, int, str, int] | tuple[None, None, None, None] = (None,) * 4

    def describe(self, created: InstanceCreated) -> None:
        """Take over what the creation says."""
        self.subject = created.origin.subject if created.origin else None
        link = created.parent
        if link and max(abs(link.run), abs(link.occurrence)) < _INTEGER_END:  # else, of nobody
            self.parent = (link.key, link.run, link.step, link.occurrence)

    @property
    def row(self) -> tuple[object, ...]:
        name, status = self.name, str(self.state.status)
        times = self.created_ms, self.updated_ms
        texts = self.error, self.reason, self.subject
        return (self.id, name.workflow, name.instance, status, *times, *texts, *self.parent)


class Projection:
    """The writing side of a read model; not for two threads at once."""

    def __init__(self, connection: apsw.Connection, *, states_max: int = STATES_MAX) -> None:
        self._connection = connection
        self._states_max = states_max
        self._version = -1
        self.recent: dict[tuple[int, int], Ruling] = {}
        """What became of the last commands, by where they lie."""
        self._forget()

    def take(self, rows: Iterable[Row]) -> list[InstanceChange]:
        """Take records, those of each partition in their order; known ones are passed over.

        Raises `JournalReplaced` when the last record that was read is another one now.
        """
        try:
            with transaction(self._connection):
                self._look_around()
                for row in rows:
                    self._take(row)
                self._write()
        except BaseException:
            self._forget()  # states are ahead of the tables
            raise
        changes = [self._change(key, last) for key, last in self._touched.items()]
        self._make_room()
        return changes

    def make_anew(self) -> None:
        """Forget everything, to read the journal from its beginning."""
        with transaction(self._connection):
            make_anew(self._connection)
        self.recent.clear()
        self._forget()

    def wipe(self) -> None:
        """Leave no bytes of what was deleted in the log of changes."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    # --- inside -------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._places: dict[int, Place] | None = None
        self._lines: dict[bytes, _Line] = {}
        self._forget_batch()

    def _change(self, key: bytes, last: Judgement) -> InstanceChange:
        name, line = last.key, self._changed.get(key)
        status = str(line.state.status) if line else None
        return InstanceChange(
            last.partition,
            last.offset,
            name.workflow,
            name.instance,
            status,
            last.record.at_ms,
        )

    def _forget_batch(self) -> None:
        self._moved: dict[int, tuple[bytes, bytes]] = {}
        self._changed: dict[bytes, _Line] = {}
        self._touched: dict[bytes, Judgement] = {}
        self._records: list[tuple[int, int, bytes]] = []
        self._rulings: list[tuple[object, ...]] = []

    def _look_around(self) -> None:
        """Another process may have gone on with the same file."""
        version = self._connection.pragma("data_version")
        if version != self._version or self._places is None:
            self._forget()
            self._places = read_places(self._connection)
            self._version = version

    def _take(self, row: Row) -> None:
        partition, offset, key, value = row
        assert self._places is not None
        place = self._places.get(partition)
        if place is None:
            place = self._places[partition] = Place(offset, offset)
        if offset < place.next:
            is_last = offset == place.next - 1 and partition not in self._moved
            if is_last and mark_of(key, value) != place.mark:
                raise JournalReplaced(f"the record at offset {offset} is another one than before")
            return
        place.next = offset + 1
        self._moved[partition] = key, value
        try:
            record = codec.decode(value)
            name = InstanceKey.decode(key) if not isinstance(record, OwnerRecord) else None
        except JournalCorrupt:
            place.unreadable += 1
            return
        if isinstance(record, OwnerClaimed):
            fold_claim(place.owner, offset)
        elif name is not None and not isinstance(record, OwnerRecord):
            self._fold(row, place, name, record)

    def _fold(self, row: Row, place: Place, name: InstanceKey, record: InstanceRecord) -> None:
        partition, offset, key, value = row
        if not key.isascii():
            key = name.encode()  # keys that are no UTF-8 may have the same name
        line = self._lines.pop(key, None) or self._load(name)
        state = line.state if line else None
        before, run = (state.status, state.run) if state else (None, -1)
        folded = fold(place.owner, state, Entry(offset, record))
        after = folded.state.status if folded.state else None
        judged = Judgement(partition, offset, name, record, folded.verdict, before, after)
        if _is_asked(record):
            self._rule(judged)
        if folded.verdict is Verdict.ACCEPTED:
            self._touched[key] = judged
            line = self._changed_line(key, line, judged, folded.state)
            if line is not None:
                self._records.append((line.id, offset, value))
                self._note(line, record, before, run)
        if line is not None:
            self._lines[key] = line

    def _changed_line(
        self, key: bytes, line: _Line | None, judged: Judgement, state: InstanceState | None
    ) -> _Line | None:
        """The instance after an accepted record; None: it is gone."""
        record, ended = judged.record, judged.before in TERMINAL
        if line is not None and (state is None or (ended and isinstance(record, InstanceCreated))):
            self._delete(key, line)  # for good, or its id is used anew
            line = None
        if state is None:
            self._forget_rulings(judged)
            return None
        if line is None:
            assert isinstance(record, InstanceCreated)
            number = judged.offset << PARTITION_BITS | judged.partition
            line = _Line(number, judged.key, state, record.at_ms, record.at_ms)
            line.describe(record)
        line.state, line.updated_ms = state, record.at_ms
        self._changed[key] = line
        return line

    def _note(self, line: _Line, record: InstanceRecord, before: Status | None, run: int) -> None:
        """Why it is as it is now."""
        state = line.state
        began = state.run not in (run, line.id >> PARTITION_BITS)
        if began:
            self._begin_run(line)
        if began or state.status is not before:
            line.error = error_of(record) if state.status is Status.ERRORED else None
            paused = isinstance(record, InstancePaused)
            line.reason = reason_of(record, self._history(line).records if paused else ())

    def _begin_run(self, line: _Line) -> None:
        """What the present run does not need goes."""
        history = self._history(line)
        assert history.created is not None
        line.describe(history.created)
        kept = ",".join(map(str, history.offsets))
        self._connection.execute(
            f"DELETE FROM records WHERE id = ? AND offset NOT IN ({kept})",  # noqa: S608 - numbers
            (line.id,),
        )

    def _history(self, line: _Line) -> History:
        self._write_rows()
        return read_history(self._connection, line.id)

    def _load(self, name: InstanceKey) -> _Line | None:
        row = self._connection.execute(
            "SELECT id, created_ms, updated_ms, error, reason, subject, parent, parent_run,"
            " parent_step, parent_occurrence FROM instances WHERE instance = ? AND workflow = ?",
            (name.instance, name.workflow),
        ).fetchone()
        if row is None:
            return None
        number, created_ms, updated_ms, error, reason, subject, *parent = row
        state = read_history(self._connection, number).state
        assert state is not None
        times = created_ms, updated_ms
        return _Line(number, name, state, *times, error, reason, subject, tuple(parent))

    def _delete(self, key: bytes, line: _Line) -> None:
        self._changed.pop(key, None)
        self._write_rows()
        self._connection.execute("DELETE FROM records WHERE id = ?", (line.id,))
        self._connection.execute("DELETE FROM instances WHERE id = ?", (line.id,))

    def _forget_rulings(self, judged: Judgement) -> None:
        """Nothing is left of an instance but what became of the command that deleted it."""
        self._connection.execute(
            "DELETE FROM rulings WHERE instance = ? AND workflow = ?"
            " AND NOT (partition = ? AND offset = ?)",
            (judged.key.instance, judged.key.workflow, judged.partition, judged.offset),
        )

    def _rule(self, judged: Judgement) -> None:
        it = self.recent[judged.partition, judged.offset] = ruling_of(judged)
        if len(self.recent) > RECENT_RULINGS:
            del self.recent[next(iter(self.recent))]
        self._rulings.append(
            (
                it.partition,
                it.offset,
                it.workflow,
                it.instance_id,
                it.kind,
                it.command_id,
                str(it.verdict),
                it.before and str(it.before),
                it.after and str(it.after),
                it.message,
            )
        )

    # --- to the tables ------------------------------------------------------------------------

    def _write_rows(self) -> None:
        many = self._connection.executemany
        if self._records:
            many("INSERT INTO records VALUES (?, ?, ?)", self._records)
        if self._rulings:
            many("INSERT INTO rulings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._rulings)
        self._records, self._rulings = [], []

    def _write(self) -> None:
        self._write_rows()
        self._connection.executemany(
            "INSERT INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET"
            " status = excluded.status, updated_ms = excluded.updated_ms, error = excluded.error,"
            " reason = excluded.reason, subject = excluded.subject, parent = excluded.parent,"
            " parent_run = excluded.parent_run, parent_step = excluded.parent_step,"
            " parent_occurrence = excluded.parent_occurrence",
            [line.row for line in self._changed.values()],
        )
        assert self._places is not None
        for partition, (key, value) in self._moved.items():
            place = self._places[partition]
            place.mark = mark_of(key, value)
            numbers = partition, place.first, place.next, place.owner.epoch, place.unreadable
            self._connection.execute(
                "INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?, ?)", (*numbers, place.mark)
            )
            self._connection.execute(
                "DELETE FROM rulings WHERE partition = ? AND offset < ?",
                (partition, place.next - RULINGS_KEPT),
            )

    def _make_room(self) -> None:
        for key, line in self._changed.items():
            if line.state.status.terminal:
                self._lines.pop(key, None)
        while len(self._lines) > self._states_max:
            del self._lines[next(iter(self._lines))]  # the one that was used longest ago
        self._forget_batch()


_COMMANDS = frozenset(get_args(Command))


def _is_asked(record: InstanceRecord) -> bool:
    """Whether somebody waits for the verdict: a command, or a creation by hand."""
    if isinstance(record, InstanceCreated):
        return not (record.origin or record.parent or record.schedule)
    return type(record) in _COMMANDS
