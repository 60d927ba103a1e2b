"""The file: opened, made, made anew; and the rows of places, instances and records in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import apsw
import structlog

from stepwell.schemas import codec
from stepwell.schemas.journal import Entry
from stepwell.streams.engine.history import History
from stepwell.streams.engine.state import PartitionState
from stepwell.streams.errors import ReadModelUnavailable

log = structlog.get_logger(__name__)

APPLICATION_ID = 0x53577232
FORMAT = 2
"""Of the tables, and of what the fold makes of records: a file of another one is made anew."""
BUSY_TIMEOUT_MS = 30_000

# The id of an instance is where the record that created it lies, so it is the same in every file.
_TABLES = f"""
CREATE TABLE places(
    partition INTEGER PRIMARY KEY, first INTEGER NOT NULL, next INTEGER NOT NULL,
    epoch INTEGER NOT NULL, unreadable INTEGER NOT NULL, mark BLOB NOT NULL
) STRICT;
CREATE TABLE instances(
    id INTEGER PRIMARY KEY, workflow TEXT NOT NULL, instance TEXT NOT NULL, status TEXT NOT NULL,
    created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, error TEXT, reason TEXT, subject TEXT,
    parent TEXT, parent_run INTEGER, parent_step TEXT, parent_occurrence INTEGER
) STRICT;
CREATE UNIQUE INDEX instances_by_name ON instances(instance, workflow);
CREATE INDEX instances_by_age ON instances(created_ms, id);
CREATE INDEX instances_by_status ON instances(status, workflow, created_ms, id);
CREATE INDEX instances_by_subject ON instances(subject, created_ms) WHERE subject IS NOT NULL;
CREATE INDEX instances_by_parent ON instances(parent, parent_run) WHERE parent IS NOT NULL;
CREATE TABLE records(
    id INTEGER, offset INTEGER, value BLOB NOT NULL, PRIMARY KEY (id, offset)
) STRICT, WITHOUT ROWID;
CREATE TABLE rulings(
    partition INTEGER, offset INTEGER, workflow TEXT NOT NULL, instance TEXT NOT NULL,
    kind TEXT NOT NULL, command TEXT NOT NULL, verdict TEXT NOT NULL, before TEXT, after TEXT,
    message TEXT NOT NULL, PRIMARY KEY (partition, offset)
) STRICT, WITHOUT ROWID;
CREATE INDEX rulings_by_command ON rulings(command) WHERE command <> '';
CREATE INDEX rulings_by_name ON rulings(instance, workflow);
PRAGMA application_id={APPLICATION_ID};
PRAGMA user_version={FORMAT};
"""
TABLES = {
    "places": "partition",
    "instances": "id",
    "records": "id, offset",
    "rulings": "partition, offset",
}
# What the last moments before a power failure wrote may be gone; it is read from the journal again.
_PRAGMAS = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
PRAGMA secure_delete=ON;
PRAGMA wal_autocheckpoint=4096;
PRAGMA journal_size_limit=67108864;
PRAGMA cache_size=-65536;
"""
_DAMAGED = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)


@dataclass(slots=True)
class Place:
    """How far a partition was read: from the offset `first` to before `next`."""

    first: int
    next: int
    owner: PartitionState = field(default_factory=PartitionState)
    unreadable: int = 0
    """Records that are no journal records of ours."""
    mark: bytes = b""
    """Tells the last record that was read from any other."""


def mark_of(key: bytes, value: bytes) -> bytes:
    """The mark of a record."""
    return blake2b(b"%b\0%b" % (key, value), digest_size=16).digest()


def connect(path: Path | None) -> apsw.Connection:
    """The file at `path`, or one in memory; made anew when it is damaged or of another format."""
    if path is None:
        return _prepared(apsw.Connection(":memory:"))
    with translated(path):
        try:
            return _open(path)
        except _DAMAGED as error:
            log.warning("read model is made anew", file=str(path), why=str(error))
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            return _open(path)


def _open(path: Path) -> apsw.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # it holds what is in the journal: for its owner alone
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise ReadModelUnavailable(
            f"read model {path} cannot be made: {error.strerror}; set readmodel.dir to another "
            "directory"
        ) from error
    return _prepared(apsw.Connection(str(path)))


def _prepared(connection: apsw.Connection) -> apsw.Connection:
    try:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.execute(_PRAGMAS).fetchall()  # only who reads on gets to the last one
        if not _is_ours(connection):
            with transaction(connection):
                if not _is_ours(connection):  # or another process has made it meanwhile
                    make_anew(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_ours(connection: apsw.Connection) -> bool:
    found = connection.pragma("application_id"), connection.pragma("user_version")
    return found == (APPLICATION_ID, FORMAT)


def make_anew(connection: apsw.Connection) -> None:
    """Forget everything; inside of a transaction."""
    found = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (name,) in found:
        connection.execute(f'DROP TABLE "{name}"')
    connection.execute(_TABLES).fetchall()


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """All of it or nothing, with no other writer in between."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite ends it by itself when the disk is full
            connection.execute("ROLLBACK")
        raise


@contextmanager
def translated(path: Path | None) -> Iterator[None]:
    """Our error for those of SQLite."""
    try:
        yield
    except _DAMAGED:
        raise
    except apsw.Error as error:
        raise ReadModelUnavailable(
            f"read model {path or 'in memory'}: {error}: is the disk full, or the file in use by "
            "another program? It may be deleted: it is made anew from the journal"
        ) from error


def read_places(connection: apsw.Connection) -> dict[int, Place]:
    """How far each partition was read."""
    rows = connection.execute("SELECT partition, first, next, epoch, unreadable, mark FROM places")
    return {
        partition: Place(first, following, PartitionState(epoch), unreadable, mark)
        for partition, first, following, epoch, unreadable, mark in rows
    }


def read_history(connection: apsw.Connection, instance: int) -> History:
    """An instance, folded from its records."""
    history = History()
    rows = connection.execute(
        "SELECT offset, value FROM records WHERE id = ? ORDER BY offset", (instance,)
    )
    for offset, value in rows:
        history.take(Entry(offset, codec.decode(value)))
    return history


def dump(connection: apsw.Connection) -> Iterator[str]:
    """Everything, a line for each row: equal dumps are equal read models."""
    for table, order in TABLES.items():
        statement = f"SELECT * FROM {table} ORDER BY {order}"  # noqa: S608 - our own names
        for row in connection.execute(statement):
            yield f"{table} {row!r}"
