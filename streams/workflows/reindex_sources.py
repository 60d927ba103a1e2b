"""Where a re-index reads documents: a file of lines in the blob store, or a GitHub repository.

A source is cut into batches before it is read, so that several can be under way; a batch names its
place and no contents, and reading it again gives the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stepwell.schemas.documents import Document
from stepwell.streams.blobs import BlobRef, BlobStore
from stepwell.streams.workflows.document_lines import LINE_BYTES_MAX, BadLine, document_of_line

BATCH_BYTES_MAX = 192 * 1024
"""Some hundred short documents, or some dozen long ones: a few seconds of embedding."""
READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that could not be indexed: a line by its number, or its key."""

    document: str
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A piece of a source. `at` is a byte with `number` the line there, or `number` is a page."""

    number: int
    at: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Cuts:
    """The next batches, and where the one behind them begins; None: there is none."""

    batches: tuple[Batch, ...]
    rest: Batch | None = None
    if_last: Batch | None = None
    """Where to go on instead, when one of the batches says that it was the last of its kind."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was in a batch."""

    documents: Sequence[Document] = ()
    failures: Sequence[Failure] = ()
    is_last: bool = False
    """Whether the batches behind it are empty; those of a file are cut so that none is."""


class Source(Protocol):
    """Gives documents in batches."""

    async def cut(self, start: Batch, count: int) -> Cuts:
        """The next `count` batches, `start` being the first of them."""
        ...

    async def read(self, batch: Batch) -> Found:
        """What is in a batch."""
        ...

    async def still_has(self, key: str, /) -> bool:
        """Whether it has this document now, whatever was read."""
        ...


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file of `document_lines` in the blob store."""

    blobs: BlobStore
    ref: BlobRef
    as_of: str
    documents_max: int
    """In one batch."""

    async def cut(self, start: Batch, count: int) -> Cuts:
        """The next batches; a line that is too long is alone in its own."""
        cutter = _Cutter(start, self.documents_max)
        at = start.at
        while at < self.ref.size_bytes and len(cutter.batches) < count:
            part = await self.blobs.read(self.ref, at, READ_BYTES)
            cutter.take(part)
            at += len(part)
        if at >= self.ref.size_bytes:
            cutter.finish()
        batches = tuple(cutter.batches[:count])
        last = batches[-1] if batches else start
        end = last.at + last.size_bytes
        if end >= self.ref.size_bytes:
            return Cuts(batches)
        return Cuts(batches, Batch(cutter.line_at[end], end))

    async def read(self, batch: Batch) -> Found:
        """The documents of some lines."""
        if batch.size_bytes > LINE_BYTES_MAX:
            reason = f"takes {batch.size_bytes} bytes; a line may have {LINE_BYTES_MAX}"
            return Found(failures=[Failure(f"line {batch.number}", reason)])
        raw = await self.blobs.read(self.ref, batch.at, batch.size_bytes)
        documents, failures = [], []
        for number, line in enumerate(raw.split(b"\n"), batch.number):
            try:
                if document := document_of_line(line, self.as_of):
                    documents.append(document)
            except BadLine as error:
                failures.append(Failure(f"line {number}", str(error)))
        return Found(documents, failures)

    async def still_has(self, _key: str) -> bool:
        """What is stored under a hash does not change."""
        return False


@dataclass(slots=True)
class _Cutter:
    """Finds where batches begin and end, without keeping what is in them."""

    start: Batch
    lines_max: int
    batches: list[Batch] = field(default_factory=list)
    line_at: dict[int, int] = field(default_factory=dict)
    """The number of the line at the end of each batch."""
    _at: int = 0
    _line_start: int = 0
    _batch_start: int = 0
    _lines: int = 0
    _number: int = 0

    def __post_init__(self) -> None:
        self._at = self._line_start = self._batch_start = self.start.at
        self._number = self.start.number

    def take(self, part: bytes) -> None:
        """The next bytes."""
        for end in _line_ends(part):
            self._end_line(self._at + end)
        self._at += len(part)

    def finish(self) -> None:
        """There are no more bytes."""
        if self._at > self._line_start:
            self._end_line(self._at)
        self._cut(self._at)

    def _end_line(self, end: int) -> None:
        is_long = end - self._line_start > BATCH_BYTES_MAX
        if is_long:
            self._cut(self._line_start)
        self._lines += 1
        self._line_start = end
        if is_long or self._lines == self.lines_max or end - self._batch_start >= BATCH_BYTES_MAX:
            self._cut(end)

    def _cut(self, end: int) -> None:
        if not self._lines:
            return
        size = end - self._batch_start
        self.batches.append(Batch(self._number, self._batch_start, size))
        self._number += self._lines
        self._lines, self._batch_start = 0, end
        self.line_at[end] = self._number


def _line_ends(part: bytes) -> Iterator[int]:
    end = part.find(b"\n") + 1
    while end:
        yield end
        end = part.find(b"\n", end) + 1
