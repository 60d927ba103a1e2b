"""The directory in a small SQLite file beside those of the collections.

It is read before each batch of writes; each call opens the file anew, which takes a fraction of a
millisecond, so nothing is held between calls.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import apsw

from stepwell.streams.errors import IndexUnavailable
from stepwell.streams.index.directory import Directory, decode
from stepwell.streams.index.sqlite.file import transaction, translated

BUSY_TIMEOUT_MS = 5000

_TABLE = "CREATE TABLE IF NOT EXISTS directory(one INTEGER PRIMARY KEY CHECK (one = 1), text TEXT)"
_PUT = "INSERT OR REPLACE INTO directory VALUES (1, ?)"

T = TypeVar("T")


class SqliteDirectory:
    """A `DirectoryStore` in a file; a replacement is one transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> Directory | None:
        """As it is now."""
        text = await self._call(_read) if self._path.exists() else None
        return None if text is None else decode(text)

    async def replace(self, old: Directory | None, new: Directory) -> bool:
        """Store it, if `old` is there."""
        expected = old.encode() if old else None

        def put(connection: apsw.Connection) -> bool:
            with transaction(connection):
                if _read(connection) != expected:
                    return False
                connection.execute(_PUT, (new.encode(),))
                return True

        return await self._call(put)

    async def close(self) -> None:
        """Nothing is held."""

    async def _call(self, work: Callable[[apsw.Connection], T]) -> T:
        def answer() -> T:
            with translated(self._path), _opened(self._path) as connection:
                return work(connection)

        return await asyncio.to_thread(answer)


def _read(connection: apsw.Connection) -> str | None:
    text: str | None = connection.execute("SELECT text FROM directory").get
    return text


@contextmanager
def _opened(path: Path) -> Iterator[apsw.Connection]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise IndexUnavailable(f"index {path}: its folder cannot be made: {error}") from error
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.execute(_TABLE)
        yield connection
    finally:
        connection.close()
