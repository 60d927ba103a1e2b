"""One file of a partition: record batches one after another, and a sparse index in memory."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from stepwell.streams.broker.storage import batch as batches
from stepwell.streams.broker.storage.batch import Batch
from stepwell.streams.broker.storage.checkpoint import Checkpoint, ProducerRow, read_checkpoint
from stepwell.streams.broker.storage.files import open_file, read_at, write_at

INDEX_EVERY_BYTES = 32 * 1024
SCAN_BYTES = 1024 * 1024
LOG_SUFFIX = ".log"
CHECKPOINT_SUFFIX = ".index"


class Segment:
    """The batches from `base_offset` on. It knows where batches lie, not what they mean."""

    def __init__(self, folder: Path, base_offset: int) -> None:
        self.path = folder / f"{base_offset:020}{LOG_SUFFIX}"
        self.base_offset = base_offset
        self.next_offset = base_offset
        self.size = 0
        self.first_timestamp = batches.NO_TIMESTAMP
        self.max_timestamp = batches.NO_TIMESTAMP
        self.cleaned_ms: int | None = None
        """When compaction first went through it; None while it has not."""
        self.tombstones = 0
        self.checkpointed_size = 0
        """What the last checkpoint covers."""
        self._offsets = array("q")
        self._positions = array("q")
        self._timestamps = array("q")  # the highest before each entry
        self._file: FileIO | None = None

    @property
    def checkpoint_path(self) -> Path:
        """The file beside it."""
        return self.path.with_suffix(CHECKPOINT_SUFFIX)

    def touch(self) -> None:
        """Create the file."""
        self._opened()

    def append(self, data: bytearray | bytes, header: Batch) -> None:
        """Write a batch at the end; an `OSError` leaves the segment as it was."""
        file = self._opened()
        try:
            write_at(file, self.size, data)
        except OSError:
            file.truncate(self.size)
            raise
        self.note(header, self.size)

    def note(self, header: Batch, position: int) -> None:
        """Take up a batch that lies at a position, the end so far."""
        if not self._positions or position - self._positions[-1] >= INDEX_EVERY_BYTES:
            self._offsets.append(header.base_offset)
            self._positions.append(position)
            self._timestamps.append(self.max_timestamp)
        if self.first_timestamp == batches.NO_TIMESTAMP:
            self.first_timestamp = header.max_timestamp
        self.max_timestamp = max(self.max_timestamp, header.max_timestamp)
        self.next_offset = header.last_offset + 1
        self.size = position + header.size

    def read(self, position: int, size: int) -> bytes:
        """Bytes from a position, not beyond the end."""
        return read_at(self._opened(), position, min(size, self.size - position))

    def position_of(self, offset: int) -> int:
        """Where the first batch lies that ends at or after an offset; the end if none does."""
        entry = bisect_right(self._offsets, offset) - 1
        position = self._positions[entry] if entry >= 0 else 0
        for place, header in self.spans(position):
            if header[1] >= offset:
                return place
        return self.size

    def spans(self, position: int) -> Iterator[tuple[int, tuple[int, int, int]]]:
        """Position, and base offset, last offset and size, of each batch from a position on."""
        while position < self.size:
            chunk = self.read(position, INDEX_EVERY_BYTES)
            at = 0
            while (span := batches.read_span(chunk, at)) is not None:
                yield position + at, span
                at += span[2]
            position += at

    def batches_from(self, position: int) -> Iterator[tuple[Batch, bytes]]:
        """Header and bytes of each batch from a position on."""
        for place, (_, _, size) in self.spans(position):
            data = self.read(place, size)
            header = batches.read_header(data)
            if header is None:
                return
            yield header, data

    def position_of_time(self, timestamp: int) -> int:
        """A position before the first batch that holds this time or a later one, near it."""
        entry = bisect_left(self._timestamps, timestamp) - 1
        return self._positions[entry] if entry >= 0 else 0

    def recover(self, on_batch: Callable[[Batch, bytes | memoryview], None]) -> int:
        """Read what the checkpoint does not cover; the bytes cut off at the first bad batch."""
        file = self._opened()
        end = self.path.stat().st_size
        position = self.size
        while position < end:
            chunk = read_at(file, position, SCAN_BYTES)
            if (taken := self._take(chunk, position, on_batch)) == 0:
                size = _announced_size(chunk)
                if not len(chunk) < size <= end - position:
                    break
                chunk = read_at(file, position, size)
                if (taken := self._take(chunk, position, on_batch)) == 0:
                    break
            position += taken
        if end > self.size:
            file.truncate(self.size)
        return end - self.size

    def _take(
        self, chunk: bytes, position: int, on_batch: Callable[[Batch, bytes | memoryview], None]
    ) -> int:
        """Take up the intact batches of a chunk; how many bytes they fill."""
        at = 0
        while (header := batches.read_header(chunk, at)) is not None:
            if not batches.is_intact(chunk, at, header) or header.base_offset < self.next_offset:
                break
            self.note(header, position + at)
            on_batch(header, memoryview(chunk)[at : at + header.size])
            at += header.size
        return at

    def checkpoint(self, producers: list[ProducerRow], aborted: list[list[int]]) -> Checkpoint:
        """What is known of it now."""
        self.checkpointed_size = self.size
        return Checkpoint(
            size=self.size,
            next_offset=self.next_offset,
            first_timestamp=self.first_timestamp,
            max_timestamp=self.max_timestamp,
            offsets=self._offsets[:],
            positions=self._positions[:],
            timestamps=self._timestamps[:],
            producers=producers,
            aborted=aborted,
            cleaned_ms=self.cleaned_ms,
            tombstones=self.tombstones,
        )

    def restore(self) -> Checkpoint | None:
        """Take up the checkpoint beside the file, if there is one that fits."""
        found = read_checkpoint(self.checkpoint_path)
        if found is None or found.size > self.path.stat().st_size:
            return None
        self.size = self.checkpointed_size = found.size
        self.next_offset = found.next_offset
        self.first_timestamp, self.max_timestamp = found.first_timestamp, found.max_timestamp
        self._offsets, self._positions = found.offsets, found.positions
        self._timestamps = found.timestamps
        self.cleaned_ms, self.tombstones = found.cleaned_ms, found.tombstones
        return found

    def close(self) -> None:
        """Give the file back; the next use opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def delete(self) -> None:
        """Remove it from the disk."""
        self.close()
        self.checkpoint_path.unlink(missing_ok=True)  # first: it must never outlive its file
        self.path.unlink(missing_ok=True)

    def _opened(self) -> FileIO:
        if self._file is None:
            self._file = open_file(self.path)
        return self._file


def _announced_size(chunk: bytes) -> int:
    span = batches.read_span(chunk, 0)
    return span[2] if span else 0


def segments_in(folder: Path) -> list[Segment]:
    """The segments that a folder holds, in order."""
    names = sorted(path.stem for path in folder.glob(f"*{LOG_SUFFIX}"))
    return [Segment(folder, int(name)) for name in names]
