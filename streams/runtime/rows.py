"""The rows of one journal partition: a header per instance, a history row per accepted record.

History rows are the records' own bytes, written in log order, so what survives a crash is a prefix
of the log. Headers only say which instances need what: state is always folded from history.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import orjson

from stepwell.schemas import codec
from stepwell.schemas.commands import RestartRequested
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.journal import Entry, InstanceRecord, OwnerRecord
from stepwell.streams.engine.deliveries import StepwiseRecord, step_key
from stepwell.streams.engine.history import History
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import InstanceState, Status
from stepwell.streams.errors import RowCorrupt

DIVERGED, UNKNOWN_WORKFLOW, QUARANTINED = "diverged", "unknown-workflow", "quarantined"
RETRIED_AT_ACTIVATION = (DIVERGED, UNKNOWN_WORKFLOW)
"""Reasons for a pause that another release of the code may have removed."""


class Rows(Protocol):
    """Two tables of one partition. Writes reach their changelogs in the order they are made."""

    def header(self, key: bytes) -> bytes | None:
        """The header row of an instance."""
        ...

    def put_header(self, key: bytes, value: bytes) -> None:
        """Write the header row of an instance."""
        ...

    def delete_header(self, key: bytes) -> None:
        """Delete the header row of an instance."""
        ...

    def headers(self) -> Iterator[tuple[bytes, bytes]]:
        """All header rows as they are now; writing meanwhile does no harm."""
        ...

    def history_row(self, key: bytes, offset: int) -> bytes | None:
        """The history row of one record."""
        ...

    def put_history(self, key: bytes, offset: int, value: bytes) -> None:
        """Write the history row of one record."""
        ...

    def delete_history(self, key: bytes, offset: int) -> None:
        """Delete a history row."""
        ...

    def history(self, key: bytes) -> Iterable[tuple[int, bytes]]:
        """The history rows of one key, by ascending offset."""
        ...


@dataclass(frozen=True, slots=True)
class Header:
    """What the header row says.

    `wake_at_ms` is when something is due: a timer of a waiting instance, the start of a debounced
    one, the purge of a finished one. `reason` says why an instance is paused.
    """

    status: Status
    run: int
    offset: int
    wake_at_ms: int | None = None
    reason: str = ""
    unsure: bool = False
    """Written while nothing was carried: whoever carries on must look at the history."""

    @classmethod
    def of(
        cls,
        state: InstanceState,
        wake_at_ms: int | None = None,
        reason: str = "",
        *,
        unsure: bool = False,
    ) -> "Header":
        """The header that belongs to a state."""
        return cls(state.status, state.run, state.offset, wake_at_ms, reason, unsure)

    @property
    def rests(self) -> bool:
        """Whether nothing happens to it before it is due, if it ever is."""
        if self.status is Status.PAUSED:
            return self.reason not in RETRIED_AT_ACTIVATION
        is_held = self.status.terminal or self.status is Status.WAITING
        return is_held or self.wake_at_ms is not None

    def encode(self) -> bytes:
        """The row's value."""
        return orjson.dumps(self)

    @classmethod
    def decode(cls, raw: bytes) -> "Header":
        """Parse a row's value."""
        data = orjson.loads(raw)
        status, run, offset = Status(data["status"]), data["run"], data["offset"]
        wake_at_ms, reason = data.get("wake_at_ms"), data.get("reason", "")
        return cls(status, run, offset, wake_at_ms, reason, data.get("unsure", False))


def load(rows: Rows, key: bytes, *, before: int | None = None) -> History | None:
    """Fold an instance from its history rows, or from those before an offset; None: it has none."""
    history = History()
    for offset, raw in rows.history(key):
        if before is not None and offset >= before:
            break
        try:
            record = codec.decode(raw)
        except JournalCorrupt as error:
            raise RowCorrupt(f"history row {key!r} of offset {offset}: {error}") from error
        history.take(Entry(offset, record))
    return history if history.state is not None and history.created is not None else None


def dropped_offsets(rows: Rows, key: bytes, history: History, record: InstanceRecord) -> list[int]:
    """Where rows lie that the present run does not need, in the order of their deletion.

    Should the worker die in between, the rest must still be known as not needed: what ended a step
    goes before what began it, and the step that a restart begins at goes last.
    """
    needed = history.offsets
    dropped = [(offset, raw) for offset, raw in rows.history(key) if offset not in needed]
    dropped.reverse()
    if isinstance(record, RestartRequested) and (step := record.from_step):
        target = StepKey(step.name, step.occurrence, step.kind)
        dropped.sort(key=lambda row: _step_of(row[1]) == target)
    return [offset for offset, _ in dropped]


def _step_of(raw: bytes) -> StepKey | None:
    record = codec.decode(raw)
    return step_key(record) if isinstance(record, StepwiseRecord) else None


def delete_rows(rows: Rows, key: bytes) -> None:
    """Delete all rows of an instance."""
    if rows.header(key) is not None:
        rows.delete_header(key)
    for offset, _ in reversed(list(rows.history(key))):  # its creation last
        rows.delete_history(key, offset)


def decode_owner(raw: bytes) -> OwnerRecord:
    """A row of the owner's key."""
    record = codec.decode(raw)
    assert isinstance(record, OwnerRecord), record
    return record
