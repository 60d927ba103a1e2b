"""Table rows on local disk: one RocksDB per partition, holding exactly what the changelog holds.

A row goes to disk only when the changelog has it, in one atomic write with the changelog offset;
until then it waits in memory, where reads see it. A crash can thus never leave a row on disk that
the changelog lost, which would make a redelivered event look as if it had been processed.
"""

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from rocksdict import BlockBasedOptions, Cache, Options, Rdict, WriteBatch

from stepwell.streams.kafka.stores import Change, Row

APPLIED = b"\x00\x00applied"
"""The key of the applied offset. No row has it: a row's key holds at most one NUL."""
BLOCK_CACHE_BYTES = 32 * 1024 * 1024
WRITE_BUFFER_BYTES = 4 * 1024 * 1024
WRITE_BUFFERS = 2
OPEN_FILES_MAX = 128
AGE_MAX_S = 12 * 60 * 60
"""Half of Kafka's default `delete.retention.ms`: an older copy may have missed a tombstone."""


@dataclass(slots=True)
class _Partition:
    """An open database and the changes that the changelog does not have yet."""

    db: Rdict
    applied: int | None
    changes: int = 0
    unacknowledged: deque[tuple[int, Change]] = field(default_factory=deque)
    pending: dict[bytes, tuple[int, bytes | None]] = field(default_factory=dict)
    """By key, the number and the value of the last change on its way."""


class RocksStore:
    """The rows of one table below one folder. The folder belongs to one process."""

    def __init__(self, folder: Path, now_s: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now_s = now_s
        self._cache = Cache(BLOCK_CACHE_BYTES)
        self._open: dict[int, _Partition] = {}

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value, or None."""
        rows = self._partition(partition)
        if key in rows.pending:
            return rows.pending[key][1]
        value: bytes | None = rows.db.get(key)
        return value

    def put(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Write or, with None, delete; to disk once the changelog has it."""
        rows = self._partition(partition)
        rows.changes += 1
        rows.unacknowledged.append((rows.changes, (key, value)))
        rows.pending[key] = (rows.changes, value)

    def acknowledged(self, partition: int, first_offset: int, records: int) -> None:
        """Write the next so many changes to disk, with the offset unless others' lie between."""
        rows = self._open.get(partition)
        if rows is None:
            return
        done = [rows.unacknowledged.popleft() for _ in range(records)]
        if (-1 if rows.applied is None else rows.applied) + 1 == first_offset:
            rows.applied = first_offset + records - 1
        self._write(rows, [change for _, change in done])
        for number, (key, _) in done:
            if rows.pending[key][0] == number:
                del rows.pending[key]

    def apply(self, partition: int, changes: Iterable[Change], last_offset: int) -> None:
        """Apply changelog records read back."""
        rows = self._partition(partition)
        rows.applied = last_offset
        self._write(rows, changes)

    def applied_offset(self, partition: int) -> int | None:
        """Up to here the rows are the changelog's."""
        return self._partition(partition).applied

    def scan(self, partition: int, prefix: bytes) -> Iterator[Row]:
        """The rows whose key starts with the prefix, in key order."""
        rows = self._partition(partition)
        pending = {key: rows.pending[key][1] for key in rows.pending if key.startswith(prefix)}
        waiting = sorted((key, value) for key, value in pending.items() if value is not None)
        return heapq.merge(_stored(rows.db, prefix, set(pending)), waiting)

    def partition_rows(self, partition: int) -> Iterator[Row]:
        """All rows of a partition, in key order."""
        return self.scan(partition, b"")

    def partitions(self) -> set[int]:
        """The open partitions."""
        return set(self._open)

    def drop(self, partition: int) -> None:
        """Close the database; it stays on disk and is brought up to date if we get it back."""
        rows = self._open.pop(partition, None)
        if rows is not None:
            rows.db.close()

    def close(self) -> None:
        """Close all databases."""
        for partition in list(self._open):
            self.drop(partition)

    def path(self, partition: int) -> Path:
        """Where a partition lies."""
        return self._folder / f"{partition}.db"

    def _partition(self, partition: int) -> _Partition:
        rows = self._open.get(partition)
        if rows is None:
            rows = self._open[partition] = self._open_partition(partition)
        return rows

    def _open_partition(self, partition: int) -> _Partition:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = str(self.path(partition))
        db = Rdict(path, self._options())
        offset, written_at_s = _read_applied(db)
        if offset is not None and self._now_s() - written_at_s > AGE_MAX_S:
            db.close()
            Rdict.destroy(path)
            return _Partition(Rdict(path, self._options()), None)
        return _Partition(db, offset)

    def _write(self, rows: _Partition, changes: Iterable[Change]) -> None:
        batch = WriteBatch(raw_mode=True)
        for key, value in changes:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        if rows.applied is not None:
            batch.put(APPLIED, b"%d %d" % (rows.applied, int(self._now_s())))
        rows.db.write(batch)

    def _options(self) -> Options:
        tables = BlockBasedOptions()
        tables.set_block_cache(self._cache)
        tables.set_bloom_filter(10, block_based=False)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(tables)
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_max_write_buffer_number(WRITE_BUFFERS)
        options.set_max_open_files(OPEN_FILES_MAX)
        return options


def _stored(db: Rdict, prefix: bytes, hidden: set[bytes]) -> Iterator[Row]:
    rows = cast(Iterator[Row], db.items(from_key=prefix))
    for key, value in rows:
        if not key.startswith(prefix):
            return
        if key != APPLIED and key not in hidden:
            yield key, value


def _read_applied(db: Rdict) -> tuple[int | None, float]:
    stored: bytes | None = db.get(APPLIED)
    if stored is None:
        return None, 0.0
    offset, written_at_s = stored.split()
    return int(offset), float(written_at_s)
