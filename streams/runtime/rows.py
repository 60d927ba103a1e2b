"""The rows of one journal partition: a header per instance, a history row per accepted record.

History rows are the records' own bytes, written in log order, so what survives a crash is a prefix
of the log. Headers only say which instances are live: state is always folded from history.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import orjson

from stepwell.schemas import codec
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.journal import (
    AttemptFailed,
    Entry,
    InstanceCreated,
    OwnerClaimed,
    StepFailed,
    StepRecord,
    StepSucceeded,
)
from stepwell.streams.engine.fold import fold
from stepwell.streams.engine.state import InstanceState, PartitionState, Status
from stepwell.streams.errors import RowCorrupt


class Rows(Protocol):
    """Two tables of one partition. Writes reach their changelogs in the order they are made."""

    def header(self, key: bytes) -> bytes | None:
        """The header row of an instance."""
        ...

    def put_header(self, key: bytes, value: bytes) -> None:
        """Write the header row of an instance."""
        ...

    def headers(self) -> Iterator[tuple[bytes, bytes]]:
        """All header rows."""
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
    """What the header row says."""

    status: Status
    run: int
    offset: int

    @classmethod
    def of(cls, state: InstanceState) -> "Header":
        """The header that belongs to a state."""
        return cls(state.status, state.run, state.offset)

    def encode(self) -> bytes:
        """The row's value."""
        return orjson.dumps(self)

    @classmethod
    def decode(cls, raw: bytes) -> "Header":
        """Parse a row's value."""
        data = orjson.loads(raw)
        return cls(Status(data["status"]), data["run"], data["offset"])


@dataclass(frozen=True, slots=True)
class Loaded:
    """An instance read back from its history rows."""

    state: InstanceState
    created: InstanceCreated
    steps: list[StepRecord]


def load(rows: Rows, key: bytes) -> Loaded | None:
    """Fold an instance from its history rows; None when it has none."""
    state: InstanceState | None = None
    created: InstanceCreated | None = None
    steps: list[StepRecord] = []
    unfenced = PartitionState()  # rows hold accepted records only: there is nothing to fence
    for offset, raw in rows.history(key):
        try:
            record = codec.decode(raw)
        except JournalCorrupt as error:
            raise RowCorrupt(f"history row {key!r} of offset {offset}: {error}") from error
        assert not isinstance(record, OwnerClaimed)
        state = fold(unfenced, state, Entry(offset, record)).state
        if isinstance(record, InstanceCreated):
            created = record
        elif isinstance(record, StepSucceeded | StepFailed | AttemptFailed):
            steps.append(record)
    if state is None or created is None:
        return None
    return Loaded(state, created, steps)
