"""A SQL database. Statements of a step must bear being run twice: `ON CONFLICT`, `WHERE`."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

Value = str | int | float | bytes | None
Row = dict[str, Value]


class Database(Protocol):
    """Runs SQL statements."""

    async def query(self, sql: str, *values: Value) -> list[Row]:
        """The rows that a statement gives, by column; it is committed."""
        ...

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run a statement for each row: all of them, or none."""
        ...


class SqliteDatabase:
    """One SQLite file, or `:memory:`; statements run in threads, one at a time."""

    def __init__(self, path: Path | str = ":memory:", schema: str = "") -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(schema)
        self._turn = threading.Lock()

    async def query(self, sql: str, *values: Value) -> list[Row]:
        """The rows that a statement gives, by column; it is committed."""
        return await asyncio.to_thread(self._query, sql, values)

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run a statement for each row: all of them, or none."""
        await asyncio.to_thread(self.insert, sql, list(rows))

    def insert(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """`execute_many`, outside of an event loop."""
        with self._turn, self._connection:
            self._connection.executemany(sql, rows)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _query(self, sql: str, values: Sequence[Value]) -> list[Row]:
        with self._turn, self._connection:
            return [dict(row) for row in self._connection.execute(sql, values)]
