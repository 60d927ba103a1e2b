"""What the operating system does for us: locks, positioned reads and writes, syncing."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from stepwell.streams.broker.errors import DataFolderInUse


def open_file(path: Path) -> FileIO:
    """A file to read and write without a buffer of ours, created if it is missing."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    return FileIO(os.open(path, flags, 0o600), "r+")


def read_at(file: FileIO, position: int, size: int) -> bytes:
    """Up to `size` bytes from a position."""
    if sys.platform == "win32":
        file.seek(position)
        return file.read(size) or b""
    return os.pread(file.fileno(), size, position)


def write_at(file: FileIO, position: int, data: bytes | bytearray) -> None:
    """All of the bytes at a position; what an `OSError` leaves behind, the caller cuts off."""
    view = memoryview(data)
    while view:
        if sys.platform == "win32":
            file.seek(position)
            written = file.write(view) or 0
        else:
            written = os.pwrite(file.fileno(), view, position)
        position += written
        view = view[written:]


def sync(path: Path) -> None:
    """Force a file's data, or a folder's entries, to the disk; nothing if it is gone by now."""
    if sys.platform == "win32" and path.is_dir():
        return
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return
    try:
        getattr(os, "fdatasync", os.fsync)(descriptor)
    finally:
        os.close(descriptor)


def replace(path: Path, content: bytes) -> None:
    """Write a file as a whole: after a crash it is the old one or the new one."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_bytes(content)
    sync(temporary)
    temporary.replace(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder; raises `DataFolderInUse` when another process, or another broker, does."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open_file(folder / "lock") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataFolderInUse(
                f"{folder} is in use by another broker: stop it, or choose another folder"
            ) from error
        yield
