"""`SqliteIndex`: documents, vectors and words in one SQLite file.

A write looks and writes in one transaction, so the rules hold across processes too; a write that
was answered is on the disk. All work is done in one thread of the index, never on the event loop.

Documents keep the place of their codes (`codes.py`) for good: a removed one leaves some bytes.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from stepwell.schemas.documents import Embedded, Hit, Removal, SearchFilters, Vector
from stepwell.streams.errors import IndexSchemaMismatch, IndexUnavailable
from stepwell.streams.index.rules import (
    W,
    check_limit,
    check_search,
    cleaned,
    cleaned_filters,
    cleaned_key,
    cut,
    refusal,
)
from stepwell.streams.index.sqlite import search, writes
from stepwell.streams.index.sqlite.file import connect, delete, translated
from stepwell.streams.ports import Scan, WriteOutcome

DEADLINE_S = 10.0
BUSY_SHARE = 0.8
"""Of the deadline, for waiting on another's lock: then the error still says what it was."""

T = TypeVar("T")


class SqliteIndex:
    """A `VectorIndex` in a file. Opens it at `open`, or at the first call if that failed."""

    def __init__(
        self, path: Path, *, collection: str, dimension: int, deadline_s: float = DEADLINE_S
    ) -> None:
        self._path = path
        self._collection = collection
        self._dimension = dimension
        self._deadline_s = deadline_s
        self._thread = ThreadPoolExecutor(1, "sqlite-index")
        self._connection: apsw.Connection | None = None
        self._inode: int | None = None

    async def open(self) -> None:
        """Open the file; make what is missing."""
        await self._call(lambda _: None)

    async def close(self) -> None:
        """Close the file; a later call would open it again."""
        thread, self._thread = self._thread, ThreadPoolExecutor(1, "sqlite-index")
        await asyncio.get_running_loop().run_in_executor(thread, self._disconnect)
        thread.shutdown(wait=False)

    async def upsert(self, objects: Sequence[Embedded]) -> list[WriteOutcome]:
        """Store each unless a newer version or a later removal is known."""
        return await self._write(objects, writes.store)

    async def remove(self, removals: Sequence[Removal]) -> list[WriteOutcome]:
        """Remove each unless a newer version is stored; remember the removal."""
        return await self._write(removals, partial(writes.remove, dimension=self._dimension))

    async def search(
        self, vector: Vector, *, limit: int, filters: SearchFilters | None = None
    ) -> list[Hit]:
        """The nearest documents by cosine similarity."""
        check_search(vector, self._dimension, limit)
        wanted = cleaned_filters(filters)
        return await self._call(lambda file: search.by_vector(file, vector, limit, wanted))

    async def search_words(
        self, text: str, *, limit: int, filters: SearchFilters | None = None
    ) -> list[Hit]:
        """The best matches of any word, by BM25."""
        check_limit(limit)
        wanted = cleaned_filters(filters)
        return await self._call(lambda file: search.by_words(file, text, limit, wanted))

    async def find(self, key: str) -> Embedded | None:
        """The document of this key."""
        wanted = cleaned_key(key)
        return await self._call(lambda file: search.find(file, wanted))

    async def count(self) -> int:
        """How many documents are stored."""
        return await self._call(search.count)

    async def scan(self, *, after: str | None = None, limit: int = 1000) -> Scan:
        """The next documents by key."""
        check_limit(limit)
        return await self._call(lambda file: search.scan(file, after, limit))

    async def scrub(self) -> bool:
        """Leave no bytes of removed documents in the files; False if a reader was in the way."""
        begin = True
        while await self._call(partial(writes.merge_words, begin=begin)):
            begin = False
        return await self._call(writes.empty_log)

    async def drop(self) -> None:
        """Delete the file."""
        await self.close()
        await asyncio.to_thread(delete, self._path)

    async def _write(
        self,
        given: Sequence[W],
        call: Callable[[list[W], apsw.Connection], list[WriteOutcome]],
    ) -> list[WriteOutcome]:
        """One transaction after the other, so that none is long."""
        items = [cleaned(write) for write in given]
        refusals = (refusal(item, self._dimension) for item in items)
        results = {position: refused for position, refused in enumerate(refusals) if refused}
        accepted = [position for position in range(len(items)) if position not in results]
        for positions in cut(accepted, items):
            batch = [items[at] for at in positions]
            answered = await self._call(partial(call, batch))
            results.update(zip(positions, answered, strict=True))
        return [results[position] for position in range(len(items))]

    async def _call(self, work: Callable[[apsw.Connection], T]) -> T:
        """Do it in the thread, under our deadline."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadline_s):
                return await loop.run_in_executor(self._thread, self._answer, work)
        except TimeoutError as error:
            raise IndexUnavailable(
                f"index {self._path} did not answer within {self._deadline_s:g} s"
            ) from error

    def _answer(self, work: Callable[[apsw.Connection], T]) -> T:
        with translated(self._path):
            return work(self._opened())

    def _opened(self) -> apsw.Connection:
        if self._connection is None:
            self._connection = connect(
                self._path,
                collection=self._collection,
                dimension=self._dimension,
                busy_timeout_ms=int(self._deadline_s * BUSY_SHARE * 1000),
            )
            self._inode = self._inode_now()
        elif self._inode_now() != self._inode:
            self._disconnect()  # SQLite would go on with a file that nobody can find any more
            raise IndexSchemaMismatch(
                f"index {self._path} was deleted or replaced while in use: index again"
            )
        return self._connection

    def _inode_now(self) -> int | None:
        try:
            return self._path.stat().st_ino
        except FileNotFoundError:
            return None

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            connection.close()
