"""The journal: topics, offsets, groups and transactions as keyed JSON values, the last one counts.

Every entry is framed by length and CRC; the first torn frame ends the file at a start. When most of
the file is history, `compact` writes what counts into a new one, while `put` goes on.
"""

import asyncio
import errno
import os
import struct
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path

import crc32c
import orjson

from stepwell.streams.broker.errors import DataFolderDamaged, StorageFailed
from stepwell.streams.broker.storage.files import open_file, sync, write_at

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
Key = tuple[str | int, ...]
Entry = tuple[Key, Json]
"""A key and its new value; None removes it."""

FRAME = struct.Struct(">II")
NEW_SUFFIX = ".new"
COMPACT_FROM_BYTES = 1024 * 1024
COMPACT_FACTOR = 4
"""The file may be this many times as large as what counts in it."""


class Journal:
    """An append-only file of keyed values, and in memory the frame that counts for each key."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames: dict[bytes, bytes] = {}
        self._live_bytes = 0
        self._size = 0
        self._meanwhile: list[bytes] | None = None
        """What is put while a compaction writes its file."""
        self._next: FileIO | None = None
        """The file that will take this one's place; `put` writes to both."""
        self._next_size = 0
        self.cut_bytes = 0
        """What the last start found torn at the end."""
        path.with_suffix(NEW_SUFFIX).unlink(missing_ok=True)
        self._file = open_file(path)
        self._load()

    def entries(self) -> Iterator[Entry]:
        """Everything that counts, in the order of its first mention."""
        for frame in self._frames.values():
            key, value = orjson.loads(memoryview(frame)[FRAME.size :])
            yield tuple(key), value

    def put(self, entries: Sequence[Entry]) -> None:
        """Append; raises `StorageFailed` and changes nothing when the disk does not take it."""
        frames = [(orjson.dumps(key), _frame(key, value), value) for key, value in entries]
        data = b"".join(frame for _, frame, _ in frames)
        try:
            write_at(self._file, self._size, data)
        except OSError as error:
            self._file.truncate(self._size)
            raise StorageFailed(f"{self._path}: {error.strerror}") from error
        self._size += len(data)
        for key, frame, value in frames:
            self._keep(key, None if value is None else frame)
        if self._meanwhile is not None:
            self._meanwhile.append(data)
        elif self._next is not None:
            self._put_next(data)

    @property
    def wants_compaction(self) -> bool:
        """Whether the file is mostly history."""
        return self._size > max(COMPACT_FROM_BYTES, COMPACT_FACTOR * self._live_bytes)

    async def compact(self) -> None:
        """Replace the file by one that holds only what counts; `put` may be called meanwhile."""
        new = self._path.with_suffix(NEW_SUFFIX)
        self._meanwhile = []
        try:
            await asyncio.to_thread(_write_all, new, list(self._frames.values()))
            behind, self._meanwhile = b"".join(self._meanwhile), None
            self._next, self._next_size = open_file(new), new.stat().st_size
            self._put_next(behind)
            await asyncio.to_thread(sync, new)
            self._take_next(new)
        except OSError as error:
            self._meanwhile = None
            self._drop_next()
            raise StorageFailed(f"{new}: {error.strerror}") from error
        await asyncio.to_thread(sync, self._path.parent)

    def _put_next(self, data: bytes) -> None:
        assert self._next is not None
        try:
            write_at(self._next, self._next_size, data)
        except OSError:
            self._drop_next()
            return
        self._next_size += len(data)

    def _take_next(self, new: Path) -> None:
        if self._next is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        new.replace(self._path)
        self._file.close()
        self._file, self._size, self._next = self._next, self._next_size, None

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next.close()
            self._next = None
        self._path.with_suffix(NEW_SUFFIX).unlink(missing_ok=True)

    def sync(self) -> None:
        """Force what was appended before the call to the disk; for any thread."""
        if self._next is not None:
            sync(self._path.with_suffix(NEW_SUFFIX))
        sync(self._path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _keep(self, key: bytes, frame: bytes | None) -> None:
        self._live_bytes -= len(self._frames.get(key, b""))
        if frame is None:
            self._frames.pop(key, None)
        else:
            self._frames[key] = frame
            self._live_bytes += len(frame)

    def _load(self) -> None:
        data = self._path.read_bytes()
        for payload, end in _frames_of(data):
            key, value = orjson.loads(payload)
            frame = None if value is None else bytes(data[self._size : end])
            self._keep(orjson.dumps(key), frame)
            self._size = end
        self.cut_bytes = len(data) - self._size
        if self.cut_bytes and not self._size:
            raise DataFolderDamaged(
                f"{self._path} does not begin as a journal: restore it, or move the folder away"
            )
        self._file.truncate(self._size)


def _frame(key: Key, value: Json) -> bytes:
    payload = orjson.dumps((key, value))
    return FRAME.pack(len(payload), crc32c.crc32c(payload)) + payload


def _frames_of(data: bytes) -> Iterator[tuple[memoryview, int]]:
    """The payloads of the whole frames, and where each frame ends."""
    view, position = memoryview(data), 0
    while position + FRAME.size <= len(view):
        length, crc = FRAME.unpack_from(view, position)
        start = position + FRAME.size
        position = start + length
        if not length or position > len(view) or crc32c.crc32c(view[start:position]) != crc:
            return
        yield view[start:position], position


def _write_all(path: Path, frames: Sequence[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(frames)
    sync(path)
