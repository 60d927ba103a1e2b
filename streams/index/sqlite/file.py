"""The file: opened, made, checked; one transaction; what its errors mean for us."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import sqlite_vec  # type: ignore[import-untyped]

from stepwell.streams.errors import IndexSchemaMismatch, IndexUnavailable, StepwellError

APPLICATION_ID = 0x53577831
"""Says in the file's header that it is ours."""
FORMAT = 1
"""Of the tables below; another one is refused."""

_TABLES = """
CREATE TABLE facts(name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE documents(
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, type TEXT NOT NULL, repo TEXT NOT NULL,
    number INTEGER NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL,
    url TEXT NOT NULL, updated_at TEXT NOT NULL, labels TEXT NOT NULL, model TEXT NOT NULL
) STRICT;
CREATE INDEX documents_by_facets ON documents(repo, type, state);
CREATE TABLE labels(id INTEGER, label TEXT, PRIMARY KEY (id, label)) STRICT, WITHOUT ROWID;
CREATE INDEX labels_by_label ON labels(label, id);
CREATE TABLE removals(key TEXT PRIMARY KEY, updated_at TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE vectors(id INTEGER PRIMARY KEY, vector BLOB NOT NULL) STRICT;
CREATE TABLE codes(chunk INTEGER PRIMARY KEY, codes BLOB NOT NULL) STRICT;
CREATE VIRTUAL TABLE words USING fts5(text, content='', contentless_delete=1, tokenize='ascii');
"""
# A commit is on the disk when it returns. The log is folded into the file every 32 MiB. What is
# deleted is overwritten.
_PRAGMAS = """
PRAGMA synchronous=FULL;
PRAGMA wal_autocheckpoint=8192;
PRAGMA journal_size_limit=67108864;
PRAGMA cache_size=-32768;
PRAGMA secure_delete=ON;
"""
_DAMAGED = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)
_ADVICE: dict[type[apsw.Error], str] = {
    apsw.BusyError: "another process holds its lock: is a backup or a shell at work on it?",
    apsw.FullError: "the disk is full: free some space",
    apsw.ReadOnlyError: "it cannot be written: look at its permissions and those of its folder",
    apsw.CantOpenError: "it cannot be opened: look at its permissions and those of its folder",
    apsw.IOError: "the disk failed, or is full: see the system's log",
}


def connect(
    path: Path, *, collection: str, dimension: int, busy_timeout_ms: int
) -> apsw.Connection:
    """The file, made when it is missing; raises `IndexSchemaMismatch` when it differs."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise IndexUnavailable(f"index {path}: its folder cannot be made: {error}") from error
    with translated(path):
        connection = apsw.Connection(str(path))
        try:
            connection.set_busy_timeout(busy_timeout_ms)
            connection.enable_load_extension(True)
            connection.load_extension(sqlite_vec.loadable_path())
            connection.enable_load_extension(False)
            wanted = {"collection": collection, "dimension": dimension}
            if _is_empty(connection):
                _make(connection, wanted)
            connection.execute(_PRAGMAS).fetchall()  # one that answers would stop the others
            _check(connection, path, wanted)
        except BaseException:
            connection.close()
            raise
    return connection


def delete(path: Path) -> None:
    """Delete the file and what SQLite keeps beside it."""
    for one in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        try:
            one.unlink(missing_ok=True)
        except OSError as error:
            raise IndexUnavailable(f"index {path}: cannot be deleted: {error}") from error


@contextmanager
def transaction(connection: apsw.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """All of it or nothing, with no other writer in between."""
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite ends it by itself when the disk is full
            connection.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[None]:
    """Whatever is read inside is of one moment."""
    with transaction(connection, "BEGIN"):
        yield


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Our errors for those of SQLite."""
    try:
        yield
    except apsw.Error as error:
        raise _failure(path, error) from error


def _failure(path: Path, error: apsw.Error) -> StepwellError:
    if isinstance(error, _DAMAGED):
        return IndexSchemaMismatch(
            f"index {path} is damaged, or no index: {error}. Move it away and index again."
        )
    advice = next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), "")
    return IndexUnavailable(f"index {path}: {advice or type(error).__name__} ({error})")


def _is_empty(connection: apsw.Connection) -> bool:
    return not connection.execute("SELECT 1 FROM sqlite_schema").fetchall()


def _make(connection: apsw.Connection, facts: dict[str, object]) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    with transaction(connection):
        if _is_empty(connection):  # or another process has made it meanwhile
            connection.execute(_TABLES)
            connection.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={FORMAT}")


def _check(connection: apsw.Connection, path: Path, wanted: dict[str, object]) -> None:
    if connection.pragma("application_id") != APPLICATION_ID:
        raise IndexSchemaMismatch(f"{path} is a database of something else: choose another file")
    if (found := connection.pragma("user_version")) != FORMAT:
        raise IndexSchemaMismatch(
            f"index {path} has format {found}, this release reads {FORMAT}: use the release that "
            "wrote it, or another file and index again"
        )
    held = dict(connection.execute("SELECT name, value FROM facts"))
    for name, value in wanted.items():
        if held.get(name) != value:
            raise IndexSchemaMismatch(
                f"index {path} holds {name} {held.get(name)}, asked for is {value}: use the model "
                "and the collection it was made with, or another file and index again"
            )
