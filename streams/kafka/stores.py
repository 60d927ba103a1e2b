"""Where table rows live: what both stores offer, and the one in memory.

A store keeps the rows of each partition apart, as raw bytes. It also knows, per partition, up to
which changelog offset its rows are the changelog's: recovery continues from there.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

Row = tuple[bytes, bytes]
Change = tuple[bytes, bytes | None]
"""A row as the changelog has it; None deletes."""

SEPARATOR = b"\x00"


class RowStore(Protocol):
    """Rows by partition and key. A key holds at most one NUL: what precedes it names a group."""

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value, or None."""
        ...

    def put(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Write or, with None, delete; the changelog record is on its way."""
        ...

    def acknowledged(self, partition: int, first_offset: int, records: int) -> None:
        """The changelog has the next so many changes that were put, from this offset on."""
        ...

    def apply(self, partition: int, changes: Iterable[Change], last_offset: int) -> None:
        """Apply changelog records read back, in order, up to this offset."""
        ...

    def applied_offset(self, partition: int) -> int | None:
        """Up to here the rows are the changelog's; None when nothing is known."""
        ...

    def scan(self, partition: int, prefix: bytes) -> Iterator[Row]:
        """The rows whose key starts with the prefix, in key order."""
        ...

    def partition_rows(self, partition: int) -> Iterator[Row]:
        """All rows of a partition, those of a group together and in key order."""
        ...

    def partitions(self) -> set[int]:
        """The partitions that rows are kept of."""
        ...

    def drop(self, partition: int) -> None:
        """Another worker has the partition now: let go of it."""
        ...

    def close(self) -> None:
        """Release files and memory. Idempotent."""
        ...


class MemoryStore:
    r"""Rows in dictionaries: by partition, then by group, then by the rest of the key.

    The history of one instance, keyed `<instance>\0<sequence>`, is one group: scanning it touches
    nothing else.
    """

    def __init__(self) -> None:
        self._groups: dict[int, dict[bytes, dict[bytes, bytes]]] = {}
        self._applied: dict[int, int] = {}

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value, or None."""
        group, rest = _split(key)
        rows = self._groups.get(partition, {}).get(group)
        return None if rows is None else rows.get(rest)

    def put(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Write or, with None, delete."""
        group, rest = _split(key)
        groups = self._groups.setdefault(partition, {})
        if value is not None:
            groups.setdefault(group, {})[rest] = value
        elif (rows := groups.get(group)) is not None:
            rows.pop(rest, None)
            if not rows:
                del groups[group]

    def acknowledged(self, partition: int, first_offset: int, records: int) -> None:
        """Move the applied offset on, unless somebody else's records lie between."""
        if self._applied.get(partition, -1) + 1 == first_offset:
            self._applied[partition] = first_offset + records - 1

    def apply(self, partition: int, changes: Iterable[Change], last_offset: int) -> None:
        """Apply changelog records read back."""
        for key, value in changes:
            self.put(partition, key, value)
        self._applied[partition] = last_offset

    def applied_offset(self, partition: int) -> int | None:
        """Up to here the rows are the changelog's."""
        return self._applied.get(partition)

    def scan(self, partition: int, prefix: bytes) -> Iterator[Row]:
        """The rows whose key starts with the prefix; fast when it ends with the NUL of a group."""
        groups = self._groups.get(partition, {})
        if prefix.endswith(SEPARATOR):
            return iter(_rows(prefix, groups.get(prefix, {})))
        rows = (row for group in groups for row in _rows(group, groups[group]))
        return iter(sorted(row for row in rows if row[0].startswith(prefix)))

    def partition_rows(self, partition: int) -> Iterator[Row]:
        """All rows of a partition, group by group."""
        groups = self._groups.get(partition, {})
        for group in sorted(groups):
            yield from _rows(group, groups.get(group, {}))

    def partitions(self) -> set[int]:
        """The partitions that rows are kept of."""
        return set(self._groups) | set(self._applied)

    def drop(self, partition: int) -> None:
        """Forget the partition."""
        self._groups.pop(partition, None)
        self._applied.pop(partition, None)

    def close(self) -> None:
        """Forget everything."""
        self._groups.clear()
        self._applied.clear()


def _split(key: bytes) -> tuple[bytes, bytes]:
    cut = key.rfind(SEPARATOR) + 1
    return key[:cut], key[cut:]


def _rows(group: bytes, rows: dict[bytes, bytes]) -> list[Row]:
    return [(group + rest, value) for rest, value in sorted(rows.items())]
