"""A blob store that ends with the process; the real one is `DirectoryBlobStore`."""

from collections.abc import AsyncIterable
from hashlib import sha256

from stepwell.streams.blobs import BlobRef, BlobUnreadable


class MemoryBlobStore:
    """A `BlobStore` in a dictionary."""

    def __init__(self) -> None:
        self._blobs: dict[BlobRef, bytes] = {}

    async def put(self, data: bytes | AsyncIterable[bytes]) -> BlobRef:
        """Keep all of it."""
        if isinstance(data, AsyncIterable):
            data = b"".join([chunk async for chunk in data])
        ref = BlobRef(sha256(data).hexdigest(), len(data))
        self._blobs[ref] = data
        return ref

    async def get(self, ref: BlobRef) -> bytes:
        """The bytes that were put; raises `BlobUnreadable`."""
        if ref not in self._blobs:
            raise BlobUnreadable(ref, "it was never put")
        return self._blobs[ref]

    async def read(self, ref: BlobRef, offset: int, size_bytes: int) -> bytes:
        """A part of the bytes; raises `BlobUnreadable`."""
        return (await self.get(ref))[offset : offset + size_bytes]
