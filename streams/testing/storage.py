"""What survives the death of a worker: the journal and the rows, here in memory."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from stepwell.schemas.cloudevents import EventRecord
from stepwell.schemas.commands import DeleteRequested, RestartRequested
from stepwell.schemas.journal import (
    InstanceContinued,
    InstanceCreated,
    InstanceKey,
    InstancePurged,
    InstanceRecord,
    StepFailed,
    StepSucceeded,
)
from stepwell.streams.engine.deliveries import step_key
from stepwell.streams.engine.names import StepKey
from stepwell.streams.gateway.folding import Visit
from stepwell.streams.gateway.judging import Judgement
from stepwell.streams.gateway.ledger import Ledger
from stepwell.streams.kafka.publisher import Position

StepEnd = StepSucceeded | StepFailed
"""How a step ended for good."""
_OTHER_RUN = (
    InstanceCreated | RestartRequested | InstanceContinued | DeleteRequested | InstancePurged
)
"""What leaves another run behind it, or none."""


class MemoryJournal:
    """A journal of one partition, and what it says about every instance."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes]] = []
        self.ledger = Ledger()
        self.listener: Callable[[Judgement], None] = lambda _judgement: None
        """Told of every record that took effect."""
        self._ends: dict[InstanceKey, dict[StepKey, StepEnd]] = {}

    def put(self, key: bytes, value: bytes) -> Judgement | None:
        """Append a record; what became of it."""
        offset = len(self.records)
        self.records.append((key, value))
        judged = self.ledger.take(0, offset, key, value)
        if judged is not None and judged.accepted:
            self._note(judged.key, judged.record)
            self.listener(judged)
        return judged

    async def append(self, record: EventRecord) -> Position:
        """Append what comes from outside."""
        position = Position(0, len(self.records))
        self.put(record.key, record.value)
        return position

    async def follow(self, _partition: int, visit: Visit) -> None:
        """Read from the beginning until `visit` needs no more."""
        for offset, (key, value) in enumerate(self.records):
            if visit(offset, key, value):
                return

    def end_of(self, key: InstanceKey, step: StepKey) -> StepEnd | None:
        """How a step ended in the present run of an instance, if it has."""
        return self._ends.get(key, {}).get(step)

    def history(self, key: InstanceKey) -> tuple[InstanceRecord, ...]:
        """The records of the present run of an instance."""
        recording = self.ledger.recording(key)
        return recording.records if recording else ()

    def _note(self, key: InstanceKey, record: InstanceRecord) -> None:
        if isinstance(record, StepEnd):
            self._ends[key][step_key(record)] = record
        elif isinstance(record, _OTHER_RUN):
            kept = (it for it in self.history(key) if isinstance(it, StepEnd))
            self._ends[key] = {step_key(end): end for end in kept}


@dataclass(frozen=True, slots=True)
class Tables:
    """The rows of the partition."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    history: dict[bytes, dict[int, bytes]] = field(default_factory=dict)


class MemoryRows:
    """The tables as one worker has them; each write goes through `write`, which may lose it."""

    def __init__(self, tables: Tables, write: Callable[[Callable[[], object]], None]) -> None:
        self._headers = tables.headers
        self._history = tables.history
        self._write = write

    def header(self, key: bytes) -> bytes | None:
        """The header row of an instance."""
        return self._headers.get(key)

    def put_header(self, key: bytes, value: bytes) -> None:
        """Write the header row of an instance."""
        self._write(lambda: self._headers.__setitem__(key, value))

    def delete_header(self, key: bytes) -> None:
        """Delete the header row of an instance."""
        self._write(lambda: self._headers.pop(key, None))

    def headers(self) -> Iterator[tuple[bytes, bytes]]:
        """All header rows as they are now; writing meanwhile does no harm."""
        return iter(list(self._headers.items()))

    def history_row(self, key: bytes, offset: int) -> bytes | None:
        """The history row of one record."""
        return self._history.get(key, {}).get(offset)

    def put_history(self, key: bytes, offset: int, value: bytes) -> None:
        """Write the history row of one record."""
        self._write(lambda: self._history.setdefault(key, {}).__setitem__(offset, value))

    def delete_history(self, key: bytes, offset: int) -> None:
        """Delete a history row."""
        self._write(lambda: self._history.get(key, {}).pop(offset, None))

    def history(self, key: bytes) -> Iterable[tuple[int, bytes]]:
        """The history rows of one key, by ascending offset."""
        return sorted(self._history.get(key, {}).items())
