"""Makes batches as aiokafka would send them, logs, and times that tests move by hand."""

import uuid
from itertools import count
from pathlib import Path
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from stepwell.streams.broker.config import MIB
from stepwell.streams.broker.node import Environment
from stepwell.streams.broker.storage import batch as batches
from stepwell.streams.broker.storage.codecs import decompress
from stepwell.streams.broker.storage.log import LogConfig, PartitionLog

NOW_MS = 1_800_000_000_000
DAY_MS = 24 * 60 * 60 * 1000
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def sent(*values: Any, codec: int = 0, **producer: Any) -> bytes:
    """A batch of values, or of (key, value), or of (key, value, time) in order."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=producer.get("transactional", False),
        producer_id=producer.get("producer_id", -1),
        producer_epoch=producer.get("epoch", -1),
        base_sequence=producer.get("sequence", -1),
        batch_size=10 * MIB,
    )
    for number, given in enumerate(values):
        key, value, *time = given if isinstance(given, tuple) else (None, given)
        timestamp = time[0] if time else NOW_MS
        builder.append(number, timestamp=timestamp, key=key, value=value, headers=[])
    return bytes(builder.build())


def make_log(folder: Path, *, now_ms: int = NOW_MS, start_offset: int = 0, **config: Any):
    """A log; opening it again in the same folder is what a restart does."""
    settings = {"segment_bytes": MIB, "segment_ms": 7 * DAY_MS, "message_bytes_max": MIB} | config
    return PartitionLog(folder, LogConfig(**settings), start_offset=start_offset, now_ms=now_ms)


def offsets(log: PartitionLog, offset: int = 0, *, committed: bool = False) -> list[int]:
    """The offsets of the records that a consumer sees who reads from an offset to the end."""
    return [found for found, _, _ in contents(log, offset, committed=committed)]


def contents(
    log: PartitionLog, offset: int = 0, *, committed: bool = False
) -> list[tuple[int, bytes | None, bytes]]:
    """Offset, key and raw bytes of every record from an offset on, markers left out."""
    found = []
    while data := log.read(offset, 4096, committed=committed):
        at = 0
        while (header := batches.read_header(data, at)) is not None:
            found += _of_batch(header, data[at : at + header.size], offset)
            at += header.size
            offset = header.last_offset + 1
    return found


def _of_batch(header: batches.Batch, data: bytes, offset: int):
    if header.is_control:
        return []
    payload = decompress(header.codec, data[batches.HEADER_SIZE :])
    rows = [
        (header.base_offset + record.offset_delta, record.key, payload[record.start : record.end])
        for record in batches.records(payload, header.records_count)
    ]
    return [row for row in rows if row[0] >= offset]


def sync(log: PartitionLog) -> None:
    """What the syncing thread does: checkpoints of full segments are written."""
    for path, content in log.sealed.items():
        path.write_bytes(content)
    log.sealed = {}
    for segment in log.garbage:
        segment.delete()
    log.garbage = []


class World:
    """Time that stands still until a test moves it, and ids in order."""

    def __init__(self) -> None:
        self.ms = NOW_MS
        self._ids = count(1)

    def environment(self) -> Environment:
        return Environment(lambda: self.ms, lambda: self.ms, lambda: uuid.UUID(int=next(self._ids)))
