"""What survives a crash, and the rows of a worker, whose writes survive once acknowledged."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from stepwell.schemas.journal import InstanceKey, InstanceRecord
from stepwell.streams.engine.state import Status


@dataclass
class Durable:
    """One partition: the acknowledged part of its logs, and the committed offset."""

    journal: list[tuple[bytes, bytes]] = field(default_factory=list)
    headers: dict[bytes, bytes] = field(default_factory=dict)
    history: dict[bytes, dict[int, bytes]] = field(default_factory=dict)
    told: set[tuple[InstanceKey, int, Status | None]] = field(default_factory=set)
    """The lifecycle events: of which instance, by the record that lies where, with which status."""
    committed: int = 0
    has_late_writes: bool = False
    """A worker that had lost the partition wrote rows: some may be of what is gone."""


class SimulatedRows:
    """Rows in a worker's memory; each write also waits in an ordered buffer per changelog."""

    def __init__(self, durable: Durable) -> None:
        self._headers = dict(durable.headers)
        self._history = {key: dict(rows) for key, rows in durable.history.items()}
        self.unacknowledged: dict[str, list[Callable[[], None]]] = {
            "headers": [],
            "history": [],
            "lifecycle": [],
        }
        self._durable = durable

    def header(self, key: bytes) -> bytes | None:
        return self._headers.get(key)

    def put_header(self, key: bytes, value: bytes) -> None:
        self._headers[key] = value
        write = self._durable.headers.__setitem__
        self.unacknowledged["headers"].append(lambda: write(key, value))

    def delete_header(self, key: bytes) -> None:
        self._headers.pop(key, None)
        delete = self._durable.headers.pop
        self.unacknowledged["headers"].append(lambda: delete(key, None) and None)

    def headers(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(list(self._headers.items()))

    def history_row(self, key: bytes, offset: int) -> bytes | None:
        return self._history.get(key, {}).get(offset)

    def put_history(self, key: bytes, offset: int, value: bytes) -> None:
        _put(self._history, key, offset, value)
        durable = self._durable.history
        self.unacknowledged["history"].append(lambda: _put(durable, key, offset, value))

    def delete_history(self, key: bytes, offset: int) -> None:
        _delete(self._history, key, offset)
        durable = self._durable.history
        self.unacknowledged["history"].append(lambda: _delete(durable, key, offset))

    def history(self, key: bytes) -> Iterable[tuple[int, bytes]]:
        return sorted(self._history.get(key, {}).items())

    def announce(
        self, key: InstanceKey, status: Status | None, offset: int, _record: InstanceRecord
    ) -> None:
        told = self._durable.told
        self.unacknowledged["lifecycle"].append(lambda: told.add((key, offset, status)))


def _put(rows: dict[bytes, dict[int, bytes]], key: bytes, offset: int, value: bytes) -> None:
    rows.setdefault(key, {})[offset] = value


def _delete(rows: dict[bytes, dict[int, bytes]], key: bytes, offset: int) -> None:
    if key in rows:
        rows[key].pop(offset, None)
        if not rows[key]:
            del rows[key]
