"""A search as people ask for it: in the current collection, by the model of that collection."""

from stepwell.schemas.documents import Document, Hit, SearchFilters
from stepwell.streams.index.directory import Collection
from stepwell.streams.index.hybrid import search_hybrid
from stepwell.streams.index.targets import Targets
from stepwell.streams.ports import SearchMode


async def similar(
    targets: Targets, key: str, *, limit: int, filters: SearchFilters
) -> tuple[Document, list[Hit]] | None:
    """A document of the current collection, and those that mean what it does; None: no such one.

    Its own vector is searched with, so no model is needed.
    """

    async def ask(current: Collection) -> tuple[Document, list[Hit]] | None:
        index = targets.index(current)
        found = await index.find(key)
        if found is None:
            return None
        hits = await index.search(found.vector, limit=limit + 1, filters=filters)
        others = [hit for hit in hits if hit.document.key != found.document.key]
        return found.document, others[:limit]

    return await targets.ask_current(ask)


async def search(
    targets: Targets, text: str, mode: SearchMode, *, limit: int, filters: SearchFilters
) -> list[Hit]:
    """The documents that answer best, best first; all of one collection, also during a switch."""

    async def ask(current: Collection) -> list[Hit]:
        index = targets.index(current)
        if mode is SearchMode.KEYWORD:
            return await index.search_words(text, limit=limit, filters=filters)
        vector = await (await targets.target(current)).embedder.embed_query(text)
        if mode is SearchMode.SEMANTIC:
            return await index.search(vector, limit=limit, filters=filters)
        return await search_hybrid(index, text, vector, limit=limit, filters=filters)

    return await targets.ask_current(ask)
