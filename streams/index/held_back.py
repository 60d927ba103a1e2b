"""`HeldBackIndex`: answers writes as an index would, and makes none of them."""

from collections.abc import Sequence

from stepwell.schemas.documents import Embedded, Hit, Removal, SearchFilters, Vector
from stepwell.streams.index.directory import Directory, DirectoryStore
from stepwell.streams.index.rules import Write, cleaned, refusal
from stepwell.streams.ports import Scan, VectorIndex, WriteOutcome


class HeldBackIndex:
    """A `VectorIndex` that answers every write that one could take alike, and drops it.

    Stored or stale depends on what else was written by then: whoever compares tries both. What is
    read comes from the index behind it, unchanged.
    """

    def __init__(self, index: VectorIndex, dimension: int, answer: WriteOutcome) -> None:
        self._index = index
        self._dimension = dimension
        self._taken = answer

    async def open(self) -> None:
        """Nothing: to open an index may create its collection."""

    async def upsert(self, objects: Sequence[Embedded]) -> list[WriteOutcome]:
        """What would become of each."""
        return [self._answer(cleaned(each)) for each in objects]

    async def remove(self, removals: Sequence[Removal]) -> list[WriteOutcome]:
        """What would become of each."""
        return [self._answer(cleaned(each)) for each in removals]

    async def search(
        self, vector: Vector, *, limit: int, filters: SearchFilters | None = None
    ) -> list[Hit]:
        """As the index behind it."""
        return await self._index.search(vector, limit=limit, filters=filters)

    async def search_words(
        self, text: str, *, limit: int, filters: SearchFilters | None = None
    ) -> list[Hit]:
        """As the index behind it."""
        return await self._index.search_words(text, limit=limit, filters=filters)

    async def find(self, key: str) -> Embedded | None:
        """As the index behind it."""
        return await self._index.find(key)

    async def count(self) -> int:
        """As the index behind it."""
        return await self._index.count()

    async def scan(self, *, after: str | None = None, limit: int = 1000) -> Scan:
        """As the index behind it."""
        return await self._index.scan(after=after, limit=limit)

    async def drop(self) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Release the index behind it."""
        await self._index.close()

    def _answer(self, write: Write) -> WriteOutcome:
        return refusal(write, self._dimension) or self._taken


class HeldBackDirectory:
    """A `DirectoryStore` whose changes are seen through it alone."""

    def __init__(self, store: DirectoryStore) -> None:
        self._store = store
        self._changed: Directory | None = None

    async def read(self) -> Directory | None:
        """As it was changed here, or as it is stored."""
        return self._changed or await self._store.read()

    async def replace(self, old: Directory | None, new: Directory) -> bool:
        """Remember it, if `old` is what is there."""
        if await self.read() != old:
            return False
        self._changed = new
        return True

    async def close(self) -> None:
        """Release the store behind it."""
        await self._store.close()
