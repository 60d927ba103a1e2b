"""Pinned files: contents are used only after their size and sha256 were checked."""

import hashlib
import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeVar

import numpy as np

from stepwell.models.arrays import Vectors
from stepwell.models.errors import (
    FileDamaged,
    FileIsPointer,
    FileMissing,
    FileOutside,
    FileRefused,
    FileTruncated,
    HashMismatch,
)
from stepwell.models.memory import available_memory, refuse_if_short

_T = TypeVar("_T")
_CHUNK_BYTES = 1 << 20
_POINTER_START = b"version https://git-lfs."
_IS_POINTER = "is a Git LFS pointer, not the contents: run `git lfs pull`"


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A file by name, below a folder, with the only contents that are accepted under it."""

    name: str
    sha256: str
    size_bytes: int


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


def pin(path: Path, *, name: str | None = None) -> PinnedFile:
    """Pins a file to what it holds now; the name is its own unless it lies in a subfolder."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return PinnedFile(name or path.name, digest, path.stat().st_size)


def read_pinned(directory: Path, pinned: PinnedFile) -> bytes:
    """The contents, checked. What is returned is what was hashed: nothing is read twice."""
    path = _safe_path(directory, pinned)
    contents = read_file(path, bytes_max=pinned.size_bytes + 1)
    _refuse_if_different(
        path,
        pinned,
        size_bytes=len(contents),
        head=contents[:512],
        digest=hashlib.sha256(contents).hexdigest(),
    )
    return contents


@contextmanager
def holding_pinned(directory: Path, pinned: PinnedFile) -> Iterator[Path]:
    """The path of a checked file, for a large one that something else reads into memory by itself.

    A file that is changed or replaced before that is done is refused.
    """
    path = _safe_path(directory, pinned)
    with _opened(path) as stream:
        before = _identity(path)
        head = stream.read(512)
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size_bytes = stream.tell()
    _refuse_if_different(path, pinned, size_bytes=size_bytes, head=head, digest=digest)
    yield path
    if _identity(path) != before:
        raise HashMismatch(path, "was changed while it was loaded: load it again")


def inside(directory: Path, name: str) -> Path:
    """The path of a file named by somebody else, which must stay below the folder."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise FileOutside(directory, f"names the file {name!r}, which leads out of the folder")
    return directory / name


def copy_pinned(stream: Readable, pinned: PinnedFile, directory: Path) -> None:
    """Copies a stream into `directory`, never reading far past the pinned size; checked.

    Errors name the file only: the caller knows where the stream comes from.
    """
    found, head = _copy(stream, pinned.name, directory, bytes_max=pinned.size_bytes)
    try:
        _refuse_if_different(
            Path(pinned.name),
            pinned,
            size_bytes=found.size_bytes,
            head=head,
            digest=found.sha256,
        )
    except FileRefused:
        (directory / pinned.name).unlink()
        raise


def copy_first(stream: Readable, name: str, directory: Path, *, bytes_max: int) -> PinnedFile:
    """Copies a stream that nobody pinned yet, and pins it to what came."""
    found, head = _copy(stream, name, directory, bytes_max=bytes_max)
    if found.size_bytes > bytes_max:
        raise FileDamaged(Path(name), f"is larger than the {bytes_max} bytes that are taken")
    if head.startswith(_POINTER_START):
        raise FileIsPointer(Path(name), _IS_POINTER)
    return found


def read_file(path: Path, *, bytes_max: int = -1) -> bytes:
    """The contents of a file, or their beginning; what is no regular file is `FileMissing`."""
    with _opened(path) as stream:
        return stream.read(bytes_max)


def is_pointer(path: Path) -> bool:
    """Whether the file is what Git LFS leaves in place of contents that were not fetched."""
    return read_file(path, bytes_max=len(_POINTER_START)) == _POINTER_START


def read_json(path: Path, kind: type[_T]) -> _T:
    """The JSON value in a file, which must be of this kind."""
    try:
        value = json.loads(read_file(path))
    except ValueError as error:
        raise FileDamaged(path, f"is not JSON: {error}") from error
    if not isinstance(value, kind):
        raise FileDamaged(path, f"holds a {type(value).__name__}, {kind.__name__} expected")
    return value


def read_array(path: Path) -> Vectors:
    """The rows of numbers in a .npy file."""
    try:
        rows = np.load(BytesIO(read_file(path)), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FileDamaged(path, f"is no array of numpy: {error}") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind != "f":
        raise FileDamaged(path, "holds no rows of floating point numbers")
    return rows.astype(np.float32)


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise FileMissing(path, "is a directory, a file is expected")
        if not stat.S_ISREG(mode):  # a pipe or a device would never end
            raise FileMissing(path, "is no regular file")
        with path.open("rb") as stream:
            yield stream
    except FileNotFoundError:
        raise FileMissing(path, "does not exist") from None
    except OSError as error:
        raise FileMissing(path, f"cannot be read: {error.strerror}") from error


def _safe_path(directory: Path, pinned: PinnedFile) -> Path:
    """Where the file lies: in the folder, and not too large for the memory that there is."""
    path = inside(directory, pinned.name)
    _refuse_link_out(path, directory)
    refuse_if_short(path, pinned.size_bytes, available_bytes=available_memory())
    return path


def _identity(path: Path) -> tuple[int, ...]:
    """What changes when a file is written to, or replaced by another."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _refuse_link_out(path: Path, directory: Path) -> None:
    try:
        target = path.resolve()
    except (OSError, RuntimeError) as error:  # the latter until Python 3.13
        raise FileMissing(path, "is a link that leads back to itself") from error
    if not target.is_relative_to(directory.resolve()):
        raise FileOutside(path, f"is a link that leads out of the folder, to {target}")


def _copy(
    stream: Readable, name: str, directory: Path, *, bytes_max: int
) -> tuple[PinnedFile, bytes]:
    """What was copied, and its first bytes."""
    target = inside(directory, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size_bytes, head = hashlib.sha256(), 0, b""
    with target.open("wb") as out:
        while size_bytes <= bytes_max and (chunk := stream.read(_CHUNK_BYTES)):
            head = head or chunk[:512]
            size_bytes += len(chunk)
            digest.update(chunk)
            out.write(chunk)
    return PinnedFile(name, digest.hexdigest(), size_bytes), head


def _refuse_if_different(
    path: Path, pinned: PinnedFile, *, size_bytes: int, head: bytes, digest: str
) -> None:
    if head.startswith(_POINTER_START):
        raise FileIsPointer(path, _IS_POINTER)
    if size_bytes < pinned.size_bytes:
        raise FileTruncated(
            path,
            f"holds {size_bytes} bytes of {pinned.size_bytes}; it looks like {_looks_like(head)}",
        )
    if size_bytes > pinned.size_bytes:
        raise HashMismatch(path, f"holds more than the pinned {pinned.size_bytes} bytes")
    if digest != pinned.sha256:
        raise HashMismatch(
            path,
            f"sha256 {digest} is not the pinned {pinned.sha256}; it looks like {_looks_like(head)}",
        )


def _looks_like(head: bytes) -> str:
    if not head:
        return "an empty file"
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return "a web page"
    if all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return "text"
    return "binary data"
