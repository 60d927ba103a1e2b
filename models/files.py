"""Pinned files: contents are used only after their size and sha256 were checked."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from stepwell.models.errors import (
    FileDamaged,
    FileIsPointer,
    FileMissing,
    FileRefused,
    FileTruncated,
    HashMismatch,
)

_T = TypeVar("_T")
_CHUNK_BYTES = 1 << 20
_POINTER_START = b"version https://git-lfs."


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A file by name, with the only contents that are accepted under it."""

    name: str
    sha256: str
    size_bytes: int


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


def pin(path: Path) -> PinnedFile:
    """Pins a file to what it holds now."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return PinnedFile(path.name, digest, path.stat().st_size)


def read_pinned(directory: Path, pinned: PinnedFile) -> bytes:
    """The contents, checked. What is returned is what was hashed: nothing is read twice."""
    contents = read_file(directory / pinned.name)
    _refuse_if_different(
        directory / pinned.name,
        pinned,
        size_bytes=len(contents),
        head=contents[:512],
        digest=hashlib.sha256(contents).hexdigest(),
    )
    return contents


def copy_pinned(stream: Readable, pinned: PinnedFile, directory: Path) -> None:
    """Copies a stream into `directory`, never reading far past the pinned size; checked.

    Errors name the file only: the caller knows where the stream comes from.
    """
    target = directory / pinned.name
    digest, size_bytes, head = hashlib.sha256(), 0, b""
    with target.open("wb") as out:
        while size_bytes <= pinned.size_bytes and (chunk := stream.read(_CHUNK_BYTES)):
            head = head or chunk[:512]
            size_bytes += len(chunk)
            digest.update(chunk)
            out.write(chunk)
    try:
        _refuse_if_different(
            Path(pinned.name),
            pinned,
            size_bytes=size_bytes,
            head=head,
            digest=digest.hexdigest(),
        )
    except FileRefused:
        target.unlink()
        raise


def read_file(path: Path) -> bytes:
    """The contents of a file; absent files and directories are `FileMissing`."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FileMissing(path, "does not exist") from None
    except IsADirectoryError:
        raise FileMissing(path, "is a directory, a file is expected") from None
    except OSError as error:
        raise FileMissing(path, f"cannot be read: {error.strerror}") from error


def read_json(path: Path, kind: type[_T]) -> _T:
    """The JSON value in a file, which must be of this kind."""
    try:
        value = json.loads(read_file(path))
    except ValueError as error:
        raise FileDamaged(path, f"is not JSON: {error}") from error
    if not isinstance(value, kind):
        raise FileDamaged(path, f"holds a {type(value).__name__}, {kind.__name__} expected")
    return value


def _refuse_if_different(
    path: Path, pinned: PinnedFile, *, size_bytes: int, head: bytes, digest: str
) -> None:
    if head.startswith(_POINTER_START):
        raise FileIsPointer(path, "is a Git LFS pointer, not the contents: run `git lfs pull`")
    if size_bytes < pinned.size_bytes:
        raise FileTruncated(
            path,
            f"holds {size_bytes} bytes of {pinned.size_bytes}; it looks like {_looks_like(head)}",
        )
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
