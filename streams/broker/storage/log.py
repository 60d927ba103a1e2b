"""One partition: append, read, find a time, and what consumers may see of it.

Offsets: `start_offset` ≤ `stable_offset` ≤ `high_watermark` ≤ `end_offset`. Consumers read below
the watermark, which follows the end at once, or after the sync with `fsync=always`; those that
read committed records only, below the oldest open transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.errors import Refused, StorageFailed
from stepwell.streams.broker.storage import batch as batches
from stepwell.streams.broker.storage.batch import Batch, Buffer
from stepwell.streams.broker.storage.codecs import decompress
from stepwell.streams.broker.storage.producers import AbortedTransaction, Producers
from stepwell.streams.broker.storage.segment import Segment, segments_in

CURSORS_MAX = 16


@dataclass(frozen=True, slots=True)
class LogConfig:
    """The settings of a topic that its logs obey."""

    segment_bytes: int
    segment_ms: int
    message_bytes_max: int
    past_max_ms: int = 2**63 - 1
    future_max_ms: int = 2**63 - 1
    """How far the time of a record may lie from the broker's."""
    stamps: bool = False
    """Whether records get the time of the broker."""
    needs_keys: bool = False
    """Whether records without a key are refused, because the log is compacted."""


class Appended(NamedTuple):
    """Where a batch lies, and the time it was given by the broker, if it was."""

    base_offset: int
    timestamp: int


class FoundTime(NamedTuple):
    """A record found by its time."""

    offset: int
    timestamp: int


class PartitionLog:
    """The log of one partition, in a folder of its own."""

    def __init__(self, folder: Path, config: LogConfig, *, start_offset: int, now_ms: int) -> None:
        self.folder = folder
        self.config = config
        self.start_offset = start_offset
        self.producers = Producers()
        self.cut_bytes = 0
        """What the last start found torn."""
        self.segments: list[Segment] = []
        self.unsynced: dict[Path, None] = {}
        """Files and folders with changes that are not forced to the disk yet, oldest first."""
        self.sealed: dict[Path, bytes] = {}
        """Checkpoints of segments that became full, to be written once these are synced."""
        self.garbage: list[Segment] = []
        """Segments that are given up, but whose files are still there."""
        self.manual_watermark = False
        """With `fsync=always` the watermark is moved by whoever syncs."""
        self._cursors: dict[int, tuple[Segment, int]] = {}
        self._watchers: set[Callable[[], None]] = set()
        self._open(now_ms)
        self.high_watermark = self.end_offset

    # -- what there is

    @property
    def end_offset(self) -> int:
        """The offset of the next record."""
        return self.active.next_offset

    @property
    def active(self) -> Segment:
        """The segment that is written."""
        return self.segments[-1]

    @property
    def wants_syncing(self) -> bool:
        """Whether there is work on its files."""
        return bool(self.unsynced or self.sealed or self.garbage)

    @property
    def stable_offset(self) -> int:
        """Below it every transaction has ended."""
        first_open = self.producers.first_open_offset
        return self.high_watermark if first_open is None else min(first_open, self.high_watermark)

    @property
    def size(self) -> int:
        """Bytes in all segments."""
        return sum(segment.size for segment in self.segments)

    # -- writing

    def append(self, records: Buffer | None, now_ms: int) -> Appended:
        """Append what a producer sent; a batch that repeats an earlier one changes nothing.

        Raises `Refused`, or `StorageFailed` when the disk does not take it.
        """
        batch = batches.check_produced(records)
        assert records is not None
        if batch.size > self.config.message_bytes_max:
            detail = f"{batch.size} bytes, at most {self.config.message_bytes_max}"
            raise Refused(ErrorCode.MESSAGE_TOO_LARGE, detail)
        if not self.config.stamps:
            _check_times(batch, self.config, now_ms)
        if (earlier := self.producers.check(batch)) is not None:
            stamped = earlier.timestamp if self.config.stamps else batches.NO_TIMESTAMP
            return Appended(earlier.base_offset, stamped)
        if self.config.needs_keys:
            _check_keys(batch, records)
        data = batches.placed(records, self.end_offset)
        if self.config.stamps:
            batches.stamp(data, now_ms)
        header = batches.read_header(data)
        assert header is not None
        self._write(data, header)
        self.producers.note(header, now_ms)
        self._appended()
        return Appended(header.base_offset, now_ms if self.config.stamps else batches.NO_TIMESTAMP)

    def append_marker(
        self, producer_id: int, producer_epoch: int, *, commit: bool, now_ms: int
    ) -> None:
        """End a producer's transaction; raises `StorageFailed`."""
        content = batches.marker(producer_id, producer_epoch, commit=commit, now_ms=now_ms)
        data = batches.placed(content, self.end_offset)
        header = batches.read_header(data)
        assert header is not None
        self._write(data, header)
        self.producers.note_marker(header, commit=commit, now_ms=now_ms)
        self._appended()

    def move_watermark(self, offset: int) -> None:
        """Let consumers see what lies below an offset; it has been synced."""
        self.high_watermark = max(self.high_watermark, offset)
        self._notify()

    def roll(self) -> None:
        """Begin a new segment; raises `StorageFailed`."""
        full, new = self.active, Segment(self.folder, self.end_offset)
        try:
            new.checkpoint_path.unlink(missing_ok=True)
            new.touch()
        except OSError as error:
            raise StorageFailed(f"{new.path}: {error.strerror}") from error
        self.sealed[full.checkpoint_path] = self.checkpoint(full)
        full.close()
        self.segments.append(new)
        self.unsynced[self.folder] = None

    def checkpoint(self, segment: Segment) -> bytes:
        """What is known of the log up to the end of its newest segment, as a file."""
        aborted = self.producers.aborted_rows(segment.base_offset)
        return segment.checkpoint(self.producers.rows(), aborted).encode()

    # -- reading

    def read(self, offset: int, max_bytes: int, *, committed: bool) -> bytes:
        """Batches from an offset on, at least one whole; the last may be cut off.

        Raises `Refused` when the offset is out of range.
        """
        if not self.start_offset <= offset <= self.end_offset:
            detail = f"{offset} is not within {self.start_offset} to {self.end_offset}"
            raise Refused(ErrorCode.OFFSET_OUT_OF_RANGE, detail)
        limit = self.stable_offset if committed else self.high_watermark
        if offset >= limit:
            return b""
        segment, position = self._find(offset)
        end = segment.size if segment.next_offset <= limit else segment.position_of(limit)
        if position >= end:
            return b""
        data = segment.read(position, min(max(max_bytes, batches.HEADER_SIZE), end - position))
        span = batches.read_span(data, 0)
        if span is not None and span[2] > len(data):
            data = segment.read(position, span[2])
        if position + len(data) >= end:
            self._remember(min(limit, segment.next_offset), segment, end)
        return data

    def aborted(self, offset: int, data: bytes) -> list[AbortedTransaction]:
        """The aborted transactions among batches that `read` gave for an offset."""
        if not data or not self.producers.aborted(offset, self.end_offset):
            return []
        at, end = 0, offset
        while (span := batches.read_span(data, at)) is not None:
            end, at = span[1] + 1, at + span[2]
        return self.producers.aborted(offset, end)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call it whenever consumers may see more, until `unwatch`."""
        self._watchers.add(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call it no more."""
        self._watchers.discard(watcher)

    def find_time(self, timestamp: int, *, committed: bool) -> FoundTime | None:
        """The first record at or after a time."""
        limit = self.stable_offset if committed else self.high_watermark
        for segment in self.segments:
            if segment.max_timestamp < timestamp:
                continue
            for header, data in segment.batches_from(segment.position_of_time(timestamp)):
                if header.base_offset >= limit:
                    return None
                if header.max_timestamp < timestamp or header.is_control:
                    continue
                found = _find_in_batch(header, data, timestamp, self.start_offset)
                if found is not None:
                    return found
        return None

    def latest_time(self, *, committed: bool) -> FoundTime | None:
        """The record with the highest time, the first of them."""
        newest = max((segment.max_timestamp for segment in self.segments), default=-1)
        return self.find_time(newest, committed=committed) if newest >= 0 else None

    # -- giving up

    def delete_until(self, offset: int) -> None:
        """Move the start up to an offset, and remove segments that lie below it."""
        self.start_offset = max(self.start_offset, offset)
        if self.active.next_offset <= self.start_offset and self.active.size:
            self.roll()
        while len(self.segments) > 1 and self.segments[0].next_offset <= self.start_offset:
            self.drop(self.segments[0])
        self.producers.forget_below(self.start_offset)

    def drop(self, segment: Segment) -> None:
        """Remove a segment that is not the active one."""
        self.segments.remove(segment)
        self.sealed.pop(segment.checkpoint_path, None)
        self._cursors.clear()
        self.unsynced.pop(segment.path, None)
        segment.close()
        self.garbage.append(segment)

    def replace(self, old: Segment, new: Segment) -> None:
        """Put a rewritten segment in the place of an old one; its files have been renamed."""
        old.close()
        self.segments[self.segments.index(old)] = new
        self._cursors.clear()

    def close(self) -> None:
        """Close the files."""
        for segment in self.segments:
            segment.close()

    # -- within

    def _open(self, now_ms: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.unsynced[self.folder.parent] = None
        self.segments = segments_in(self.folder)
        for segment in self.segments:
            found = segment.restore()
            if found is not None:
                self.producers.restore(found.producers)
                self.producers.restore_aborted(found.aborted)
            self.cut_bytes += segment.recover(
                lambda header, data: self._replay(header, data, now_ms)
            )
            segment.close()
            known = found is not None and segment.checkpointed_size == segment.size
            if segment is not self.active and not known:
                # It was full, but the process died before its checkpoint was written.
                self.unsynced[segment.path] = None
                self.sealed[segment.checkpoint_path] = self.checkpoint(segment)
        if not self.segments:
            self.segments = [Segment(self.folder, self.start_offset)]
            self.segments[0].touch()
        self.unsynced[self.folder] = None
        self.unsynced[self.active.path] = None  # what a killed process wrote may not be synced
        if not self.config.needs_keys:  # what compaction removed does not move the start
            self.start_offset = max(self.start_offset, self.segments[0].base_offset)
        self.start_offset = min(self.start_offset, self.end_offset)
        self.producers.forget_below(self.start_offset)

    def _replay(self, header: Batch, data: Buffer, now_ms: int) -> None:
        if header.is_control:
            commit = batches.commits(data, 0)
            self.producers.note_marker(header, commit=commit, now_ms=now_ms)
        else:
            self.producers.note(header, now_ms)

    def _write(self, data: bytearray, header: Batch) -> None:
        active = self.active
        full = active.size + len(data) > self.config.segment_bytes
        age = header.max_timestamp - active.first_timestamp
        if active.size and (full or age > self.config.segment_ms):
            self.roll()
        try:
            self.active.append(data, header)
        except OSError as error:
            raise StorageFailed(f"{self.active.path}: {error.strerror}") from error
        self.unsynced[self.active.path] = None

    def _appended(self) -> None:
        if not self.manual_watermark:
            self.move_watermark(self.end_offset)

    def _notify(self) -> None:
        for watcher in tuple(self._watchers):
            watcher()

    def _find(self, offset: int) -> tuple[Segment, int]:
        if (cursor := self._cursors.get(offset)) is not None:
            segment, position = cursor
            if position < segment.size or segment is self.active:
                return cursor
        for segment in reversed(self.segments):
            if segment.base_offset <= offset:
                break
        place = self.segments.index(segment)
        position = segment.position_of(offset)
        while position >= segment.size and segment is not self.active:
            place += 1
            segment, position = self.segments[place], 0
        return segment, position

    def _remember(self, offset: int, segment: Segment, position: int) -> None:
        """Where the next read begins: consumers go on where they stopped."""
        if len(self._cursors) >= CURSORS_MAX:
            self._cursors.pop(next(iter(self._cursors)))
        self._cursors[offset] = (segment, position)


def _check_times(batch: Batch, config: LogConfig, now_ms: int) -> None:
    if batch.max_timestamp > now_ms + config.future_max_ms:
        raise Refused(ErrorCode.INVALID_TIMESTAMP, "a record lies too far in the future")
    if batch.first_timestamp < now_ms - config.past_max_ms:
        raise Refused(ErrorCode.INVALID_TIMESTAMP, "a record lies too far in the past")


def _check_keys(batch: Batch, data: Buffer) -> None:
    payload = decompress(batch.codec, memoryview(data)[batches.HEADER_SIZE :])
    if any(record.key is None for record in batches.records(payload, batch.records_count)):
        raise Refused(ErrorCode.INVALID_RECORD, "a compacted topic needs a key in every record")


def _find_in_batch(
    header: Batch, data: bytes, timestamp: int, start_offset: int
) -> FoundTime | None:
    if header.attributes & batches.LOG_APPEND_TIME:
        offset = max(header.base_offset, start_offset)
        return FoundTime(offset, header.max_timestamp) if offset <= header.last_offset else None
    payload = decompress(header.codec, memoryview(data)[batches.HEADER_SIZE :])
    for record in batches.records(payload, header.records_count):
        offset = header.base_offset + record.offset_delta
        time = header.first_timestamp + record.timestamp_delta
        if time >= timestamp and offset >= start_offset:
            return FoundTime(offset, time)
    return None
