"""The files of a `DirectoryBlobStore`, for who tidies up: which there are, and removing one."""

import os
import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stepwell.streams.blobs import PART_PREFIX, SHA256
from stepwell.streams.errors import StepwellError

OLDER_THAN_MIN_MS = 60 * 60 * 1000
"""What is younger may be of an upload, or of a step, that goes on."""

_SHARD = re.compile(r"[0-9a-f]{2}", re.ASCII)
_PART = re.compile(re.escape(PART_PREFIX) + r"[a-z0-9_]{8}", re.ASCII)


class BlobFolderUnusable(StepwellError):
    """A file or folder below `blobs.dir` cannot be listed, read or removed."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"blobs.dir: {error}; who asks needs the rights of the workers there")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was listed."""

    path: Path
    sha256: str
    """Empty: it is a part, of a `put` that goes on or that died."""
    size_bytes: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class FileCount:
    """How many files, and how large all of them are."""

    files: int
    size_bytes: int

    @classmethod
    def of(cls, files: "Collection[StoredFile]") -> "FileCount":
        """That of these."""
        return cls(len(files), sum(file.size_bytes for file in files))


@dataclass(frozen=True, slots=True)
class BlobPruning:
    """What there is in `blobs.dir`, and what was deleted of it."""

    directory: str
    blobs: FileCount
    """All of them: too young, referenced or unreferenced."""
    too_young: FileCount
    referenced: FileCount
    unreferenced: FileCount
    parts: FileCount
    """Parts that are old enough to be left over."""
    deleted: FileCount | None = None
    """Of the unreferenced and the parts, those that nobody renewed meanwhile; None: a dry run."""


def list_files(directory: Path) -> list[StoredFile]:
    """What a store has written there; other files are passed over, a missing folder is empty.

    Raises `BlobFolderUnusable`.
    """
    if not directory.exists():
        return []
    with usable():
        return list(_stored(directory))


def remove(file: StoredFile) -> bool:
    """Delete a file that is still as it was listed; whether that was so.

    It is taken out of its place before it is looked at: a `put` between a look and a deletion would
    be lost. Raises `BlobFolderUnusable`.
    """
    top = file.path.parent.parent if file.sha256 else file.path.parent
    aside = top / f"{PART_PREFIX}{secrets.token_hex(4)}"  # left over, if this process dies here
    with usable():
        try:
            file.path.rename(aside)
        except FileNotFoundError:
            return False
        if aside.stat().st_mtime_ns != file.changed_ns:
            aside.replace(file.path)
            return False
        aside.unlink()
    return True


@contextmanager
def usable() -> Iterator[None]:
    """Raises `BlobFolderUnusable` for what the file system refuses."""
    try:
        yield
    except OSError as error:
        raise BlobFolderUnusable(error) from error


def _stored(directory: Path) -> Iterator[StoredFile]:
    for entry in os.scandir(directory):
        if _PART.fullmatch(entry.name):
            yield from _file(entry, "")
        elif _SHARD.fullmatch(entry.name) and entry.is_dir():
            for each in os.scandir(entry):
                if SHA256.fullmatch(each.name) and each.name.startswith(entry.name):
                    yield from _file(each, each.name)


def _file(entry: "os.DirEntry[str]", sha256: str) -> Iterator[StoredFile]:
    with suppress(FileNotFoundError):  # a part was moved to its place meanwhile
        if entry.is_file(follow_symlinks=False):
            found = entry.stat(follow_symlinks=False)
            yield StoredFile(Path(entry.path), sha256, found.st_size, found.st_mtime_ns)
