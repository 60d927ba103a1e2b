"""The claim check: what is too large for the journal is stored here, and its reference recorded.

    ref = await step.do("render", self.render)        # returns `await self.env.blobs.put(image)`
    await step.do("send", self.send, ref)             # begins with `await self.env.blobs.get(ref)`

Content is its own name: putting the same again, as a second attempt does, changes nothing.
"""

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol

from stepwell.streams.errors import StepwellError

SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
PART_PREFIX = "incoming-"


class InvalidBlobRef(StepwellError, ValueError):
    """A reference that no store can have given out."""

    def __init__(self, ref: object) -> None:
        super().__init__(f"{ref!r} is not a `BlobRef` of 64 hexadecimal digits and a size")


class BlobUnreadable(StepwellError):
    """What a reference stands for is not there, or is not what was put."""

    def __init__(self, ref: "BlobRef", problem: str) -> None:
        super().__init__(f"blob {ref.sha256}, {ref.size_bytes} bytes: {problem}")
        self.ref = ref


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Stands for the bytes in parameters, results and outputs; small, and may be journalled."""

    sha256: str
    size_bytes: int


class BlobStore(Protocol):
    """Keeps bytes under their hash."""

    async def put(self, data: bytes | AsyncIterable[bytes]) -> BlobRef:
        """Store all of it or nothing; it is safe when this returns."""
        ...

    async def get(self, ref: BlobRef) -> bytes:
        """The bytes that were put; raises `BlobUnreadable` rather than give others."""
        ...

    async def read(self, ref: BlobRef, offset: int, size_bytes: int) -> bytes:
        """A part of them, shorter at the end; raises `BlobUnreadable`.

        For what is too large for memory: damage is not noticed here, unless bytes are missing.
        """
        ...


class DirectoryBlobStore:
    """A `BlobStore` in a directory, which every worker has to see."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def put(self, data: bytes | AsyncIterable[bytes]) -> BlobRef:
        """`BlobStore.put`: written beside its place, and moved there when it is on disk."""
        part = await asyncio.to_thread(self._open_part)
        digest, size = sha256(), 0
        try:
            with part:
                async for chunk in _chunks(data):
                    await asyncio.to_thread(part.write, chunk)
                    digest.update(chunk)
                    size += len(chunk)
                await asyncio.to_thread(_sync, part)
            ref = BlobRef(digest.hexdigest(), size)
            await asyncio.to_thread(self._move, Path(part.name), self._path(ref))
        except BaseException:
            _discard(part)
            raise
        return ref

    async def get(self, ref: BlobRef) -> bytes:
        """`BlobStore.get`: the hash is checked at every read."""
        path = self._path(ref)
        data = await self._read(ref, path.read_bytes)
        if len(data) != ref.size_bytes or sha256(data).hexdigest() != ref.sha256:
            raise BlobUnreadable(ref, f"{path} holds {len(data)} other bytes: it is damaged")
        return data

    async def read(self, ref: BlobRef, offset: int, size_bytes: int) -> bytes:
        """`BlobStore.read`."""
        path = self._path(ref)

        def read_part() -> bytes:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(size_bytes)

        data = await self._read(ref, read_part)
        if len(data) != max(0, min(size_bytes, ref.size_bytes - offset)):
            raise BlobUnreadable(ref, f"{path} ends too early: it is damaged")
        return data

    async def _read(self, ref: BlobRef, read: Callable[[], bytes]) -> bytes:
        try:
            return await asyncio.to_thread(read)
        except OSError as error:
            problem = f"cannot be read from {self._directory}: {error.strerror}"
            raise BlobUnreadable(ref, problem) from error

    def _path(self, ref: BlobRef) -> Path:
        """Where it is kept: nothing but a hash gets into the path."""
        if not isinstance(ref, BlobRef) or not SHA256.fullmatch(str(ref.sha256)):
            raise InvalidBlobRef(ref)
        return self._directory / ref.sha256[:2] / ref.sha256

    def _open_part(self) -> BinaryIO:
        self._directory.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix=PART_PREFIX, dir=self._directory)
        os.close(handle)
        return Path(path).open("wb")

    def _move(self, part: Path, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        part.replace(path)
        for folder in (path.parent, self._directory):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _discard(file: BinaryIO) -> None:
    Path(file.name).unlink(missing_ok=True)


async def _chunks(data: bytes | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    if isinstance(data, AsyncIterable):
        async for chunk in data:
            yield chunk
    else:
        yield data
