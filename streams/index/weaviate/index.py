"""`WeaviateIndex`: documents and vectors in Weaviate.

An older version never replaces a newer one and a removed document stays removed, in whatever order
the calls of this process arrive. Weaviate has no compare-and-set, so each write looks first, then
writes, one call at a time. That leaves two windows, each a round trip wide: another process that
writes the same key between our look and our write, and a write given up at our deadline that a hung
server still carries out after a newer one.

A keyword search may miss documents written within the last minute or so, when dozens of them match:
until the server writes them to a segment, it prunes them wrongly (its pull request 11780 says how;
1.35.2 does not have it).

A document's id is derived from its key, so there is one object per key. Removals are remembered for
good, a small object each, in a second collection.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from weaviate.classes.query import MetadataQuery

from stepwell.schemas.documents import Embedded, Hit, Removal, SearchFilters, Vector
from stepwell.streams.index.keywords import query_words
from stepwell.streams.index.rules import (
    W,
    check_limit,
    check_search,
    cleaned,
    cleaned_filters,
    cleaned_key,
    cut,
    key_of,
    refusal,
    waves,
)
from stepwell.streams.index.weaviate import writes
from stepwell.streams.index.weaviate.answers import answering
from stepwell.streams.index.weaviate.records import (
    HIT_FIELDS,
    conditions,
    document_id,
    embedded_of,
    hit_of,
)
from stepwell.streams.index.weaviate.schema import VECTOR
from stepwell.streams.index.weaviate.session import Session, WeaviateAddress, connect
from stepwell.streams.ports import Scan, Stored, WriteOutcome

DEADLINE_S = 10.0
SCAN_FIELDS = ["key", "type", "repo", "updated_at"]


class WeaviateIndex:
    """A `VectorIndex` in Weaviate. Connects at `open`, or at the first call if that failed."""

    def __init__(
        self,
        address: WeaviateAddress,
        *,
        collection: str,
        dimension: int,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._address = address
        self._collection = collection
        self._dimension = dimension
        self._deadline_s = deadline_s
        self._session: Session | None = None
        self._opening = asyncio.Lock()
        self._writing = asyncio.Lock()

    async def open(self) -> None:
        """Connect and make the collections ready."""
        async with self._answering():
            pass

    async def close(self) -> None:
        """Release the connections; a later call would connect again."""
        session, self._session = self._session, None
        if session:
            await session.client.close()

    async def upsert(self, objects: Sequence[Embedded]) -> list[WriteOutcome]:
        """Store each unless a newer version or a later removal is known."""
        return await self._write(objects, writes.store)

    async def remove(self, removals: Sequence[Removal]) -> list[WriteOutcome]:
        """Remove each unless a newer version is stored; remember the removal."""
        return await self._write(removals, writes.remove)

    async def search(
        self, vector: Vector, *, limit: int, filters: SearchFilters | None = None
    ) -> list[Hit]:
        """The nearest documents by cosine similarity."""
        check_search(vector, self._dimension, limit)
        async with self._answering() as session:
            found = await session.documents.query.near_vector(
                vector.tolist(),
                target_vector=VECTOR,
                limit=limit,
                filters=conditions(cleaned_filters(filters)),
                return_metadata=MetadataQuery(distance=True),
                return_properties=HIT_FIELDS,
            )
        # Cosine distance is 1 - cosine.
        return [
            hit_of(hit.properties, 1.0 - (hit.metadata.distance or 0.0)) for hit in found.objects
        ]

    async def search_words(
        self, text: str, *, limit: int, filters: SearchFilters | None = None
    ) -> list[Hit]:
        """The best matches of any word, by BM25."""
        check_limit(limit)
        if not (wanted := query_words(text)):
            return []
        async with self._answering() as session:
            found = await session.documents.query.bm25(
                " ".join(wanted),
                query_properties=["words"],
                limit=limit,
                filters=conditions(cleaned_filters(filters)),
                return_metadata=MetadataQuery(score=True),
                return_properties=HIT_FIELDS,
            )
        return [hit_of(hit.properties, hit.metadata.score or 0.0) for hit in found.objects]

    async def find(self, key: str) -> Embedded | None:
        """The document of this key."""
        async with self._answering() as session:
            found = await session.documents.query.fetch_object_by_id(
                document_id(cleaned_key(key)),
                include_vector=[VECTOR],
                return_properties=HIT_FIELDS,
            )
        return None if found is None else embedded_of(found.properties, found.vector)

    async def count(self) -> int:
        """How many documents are stored."""
        async with self._answering() as session:
            counted = await session.documents.aggregate.over_all(total_count=True)
        return counted.total_count or 0

    async def scan(self, *, after: str | None = None, limit: int = 1000) -> Scan:
        """The next documents by id."""
        check_limit(limit)
        async with self._answering() as session:
            page = await session.documents.query.fetch_objects(
                limit=limit,
                after=uuid.UUID(after) if after else None,
                return_properties=SCAN_FIELDS,
            )
        found = tuple(
            Stored(*(str(one.properties[name]) for name in SCAN_FIELDS)) for one in page.objects
        )
        return Scan(found, str(page.objects[-1].uuid) if len(found) == limit else None)

    async def drop(self) -> None:
        """Delete both collections."""
        async with self._answering() as session:
            names = [session.documents.name, session.removals.name]
            await session.client.collections.delete(names)
        await self.close()

    async def _write(
        self,
        given: Sequence[W],
        call: Callable[[Session, list[W]], Awaitable[list[WriteOutcome]]],
    ) -> list[WriteOutcome]:
        """Make the calls one after the other; each names a key once and keeps within limits."""
        items = [cleaned(write) for write in given]
        refusals = (refusal(item, self._dimension) for item in items)
        results = {position: refused for position, refused in enumerate(refusals) if refused}
        async with self._writing:
            for wave in waves(key_of(item) for item in items):
                accepted = [position for position in wave if position not in results]
                for positions in cut(accepted, items):
                    async with self._answering() as session:
                        answered = await call(session, [items[at] for at in positions])
                    results.update(zip(positions, answered, strict=True))
        return [results[position] for position in range(len(items))]

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[Session]:
        """The session, under our deadline and with our errors."""
        async with answering(str(self._address), self._deadline_s):
            yield await self._opened()

    async def _opened(self) -> Session:
        async with self._opening:
            if self._session is None:
                self._session = await connect(
                    self._address,
                    self._collection,
                    dimension=self._dimension,
                    timeout_s=self._deadline_s,
                )
            return self._session
