"""Compaction: of each key, keep the newest record. Runs as a process of its own.

`python -m stepwell.streams.broker.storage.compaction` takes a `Plan` as JSON on its input, writes
rewritten segments and checkpoints into a folder of its own, and says on its output, a line of JSON
each, which are done. The broker puts them in place, the oldest first: whatever crashes in between,
a record is gone only if a newer one of its key is there.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Self

import orjson

from stepwell.streams.broker.storage import batch as batches
from stepwell.streams.broker.storage.batch import Batch
from stepwell.streams.broker.storage.checkpoint import read_checkpoint
from stepwell.streams.broker.storage.codecs import compress, decompress
from stepwell.streams.broker.storage.files import replace, sync
from stepwell.streams.broker.storage.segment import Segment

KEYS_MAX = 1_000_000
"""As many keys are remembered in one run; segments beyond wait for the next."""
BYTES_PER_SECOND = 50 * 1024 * 1024
NICE = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do."""

    folder: str
    """The folder of the partition."""
    output: str
    """A new folder."""
    bases: list[int]
    """The base offsets of the full segments to go through, oldest first."""
    aborted: list[list[int]]
    """Producer, first offset and marker's offset of aborted transactions."""
    now_ms: int
    delete_retention_ms: int

    def encode(self) -> bytes:
        """As the process takes it."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """As the process reads it."""
        return cls(**orjson.loads(data))


@dataclass(frozen=True, slots=True)
class Done:
    """One segment is done."""

    base: int
    rewritten: bool
    """Whether there is a new file, or just a new checkpoint."""


def compact(plan: Plan, on_done: Callable[[Done], None]) -> None:
    """Carry out a plan."""
    output = Path(plan.output)
    output.mkdir()
    segments = [_opened(Path(plan.folder), base) for base in plan.bases]
    newest, reached = _newest_offsets(segments, plan)
    for segment in segments[:reached]:
        on_done(_clean(segment, output, newest, plan))


def _opened(folder: Path, base: int) -> Segment:
    segment = Segment(folder, base)
    if segment.restore() is None:
        raise SystemExit(f"{segment.path} has no checkpoint")
    return segment


def _newest_offsets(segments: list[Segment], plan: Plan) -> tuple[dict[bytes, int], int]:
    """The newest offset of each key in new segments, and how many segments it covers."""
    newest: dict[bytes, int] = {}
    for count, segment in enumerate(segments):
        if segment.cleaned_ms is not None:
            continue
        if newest and len(newest) >= KEYS_MAX:
            return newest, count
        for header, data in segment.batches_from(0):
            _pace(len(data))
            if header.is_control or _is_aborted(header, plan):
                continue
            payload = decompress(header.codec, memoryview(data)[batches.HEADER_SIZE :])
            for record in batches.records(payload, header.records_count):
                if record.key is not None:
                    newest[_digest(record.key)] = header.base_offset + record.offset_delta
    return newest, len(segments)


def _clean(segment: Segment, output: Path, newest: dict[bytes, int], plan: Plan) -> Done:
    """Write what is kept of a segment."""
    age_ms = plan.now_ms - (plan.now_ms if segment.cleaned_ms is None else segment.cleaned_ms)
    drops_tombstones = segment.cleaned_ms is not None and age_ms >= plan.delete_retention_ms
    kept = Segment(output, segment.base_offset)
    kept.touch()
    tombstones = 0
    for header, data in segment.batches_from(0):
        _pace(len(data))
        found, count = _kept(header, data, newest, plan, drops_tombstones=drops_tombstones)
        tombstones += count
        if found:
            rebuilt = batches.read_header(found)
            assert rebuilt is not None
            kept.append(found, rebuilt)
    kept.close()
    before = read_checkpoint(segment.checkpoint_path)
    assert before is not None
    rewritten = kept.size < segment.size
    known = kept if rewritten else segment
    known.cleaned_ms = plan.now_ms if segment.cleaned_ms is None else segment.cleaned_ms
    known.tombstones = tombstones
    known.next_offset = before.next_offset
    content = known.checkpoint(before.producers, before.aborted).encode()
    if rewritten:
        sync(kept.path)
    else:
        kept.path.unlink()
    replace(kept.checkpoint_path, content)
    segment.close()
    return Done(segment.base_offset, rewritten)


def _kept(
    header: Batch,
    data: bytes,
    newest: dict[bytes, int],
    plan: Plan,
    *,
    drops_tombstones: bool,
) -> tuple[bytes, int]:
    """What is kept of a batch, and how many tombstones are among it."""
    if header.is_control:
        return data, 0
    if _is_aborted(header, plan):
        return b"", 0
    payload = decompress(header.codec, memoryview(data)[batches.HEADER_SIZE :])
    parts, tombstones = [], 0
    for record in batches.records(payload, header.records_count):
        if record.key is not None:
            offset = header.base_offset + record.offset_delta
            superseded = newest.get(_digest(record.key), -1) > offset
            if superseded or (record.is_tombstone and drops_tombstones):
                continue
        tombstones += record.is_tombstone
        parts.append(payload[record.start : record.end])
    if len(parts) == header.records_count:
        return data, tombstones
    if not parts:
        return b"", 0
    content = compress(header.codec, b"".join(parts))
    return batches.rebuilt(header, content, codec=header.codec, count=len(parts)), tombstones


def _is_aborted(header: Batch, plan: Plan) -> bool:
    return header.is_transactional and any(
        header.producer_id == producer and first <= header.base_offset < last
        for producer, first, last in plan.aborted
    )


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=16).digest()


def _pace(size: int) -> None:
    """Leave the disk and the processor to those who wait for answers."""
    time.sleep(size / BYTES_PER_SECOND)


def main() -> None:
    """The process."""
    if sys.platform != "win32":
        os.nice(NICE)
    plan = Plan.decode(sys.stdin.buffer.read())

    def say(done: Done) -> None:
        sys.stdout.buffer.write(orjson.dumps(done) + b"\n")
        sys.stdout.buffer.flush()

    compact(plan, say)


if __name__ == "__main__":
    main()
