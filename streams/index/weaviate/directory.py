"""The directory as one object in a collection of its own, `<Name>Directory`.

Weaviate has aliases for collections, but a search must know the model of what it searches in: that
and the name have to change together, and an object is the least that does. There is no
compare-and-set, so two operators who change the directory in the same moment may undo one another.
"""

import asyncio
import uuid

from weaviate import WeaviateAsyncClient
from weaviate.classes.config import DataType
from weaviate.exceptions import UnexpectedStatusCodeError

from stepwell.streams.index.directory import Directory, decode
from stepwell.streams.index.weaviate.answers import answering
from stepwell.streams.index.weaviate.schema import Collection, Field, ensure
from stepwell.streams.index.weaviate.session import WeaviateAddress, connect_client

DEADLINE_S = 10.0
FIELDS = (Field("directory", DataType.TEXT),)
ID = uuid.UUID("0c1f8f0e-53a5-5a0c-9a55-6c2a5f0d1e77")


class WeaviateDirectory:
    """A `DirectoryStore` in Weaviate. Connects at its first call."""

    def __init__(
        self, address: WeaviateAddress, name: str, *, deadline_s: float = DEADLINE_S
    ) -> None:
        self._address = address
        self._name = f"{name}Directory"
        self._deadline_s = deadline_s
        self._client: WeaviateAsyncClient | None = None
        self._opening = asyncio.Lock()

    async def read(self) -> Directory | None:
        """As it is now."""
        async with answering(str(self._address), self._deadline_s):
            text = await _read(await self._collection())
        return None if text is None else decode(text)

    async def replace(self, old: Directory | None, new: Directory) -> bool:
        """Store it, if `old` is there."""
        async with answering(str(self._address), self._deadline_s):
            collection = await self._collection()
            if await _read(collection) != (old.encode() if old else None):
                return False
            properties: dict[str, object] = {"directory": new.encode()}
            if old:
                await collection.data.replace(properties=properties, uuid=ID)
                return True
            try:
                await collection.data.insert(properties=properties, uuid=ID)
            except UnexpectedStatusCodeError:
                if await _read(collection) is None:  # otherwise another process was faster
                    raise
                return False
        return True

    async def close(self) -> None:
        """Release the connection; a later call would connect again."""
        client, self._client = self._client, None
        if client:
            await client.close()

    async def _collection(self) -> Collection:
        async with self._opening:
            if self._client is None:
                client = await connect_client(self._address, self._deadline_s)
                await ensure(client, self._name, FIELDS)
                self._client = client
        return self._client.collections.use(self._name)


async def _read(collection: Collection) -> str | None:
    found = await collection.query.fetch_object_by_id(ID)
    return str(found.properties["directory"]) if found else None
