"""Record batches (magic 2): header, checks, and the records inside. Offsets lie before the CRC."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import crc32c

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.errors import Refused

HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_SIZE = HEADER.size
PREFIX_SIZE = 12  # base offset and length, which the length does not count
CRC_FROM = 21
MAGIC = 2
NO_PRODUCER = -1
NO_TIMESTAMP = -1
LOG_APPEND_TIME = 0x08
TRANSACTIONAL = 0x10
CONTROL = 0x20
CODEC_MASK = 0x07
CODEC_MAX = 4
_PLACE = struct.Struct(">qii")  # base offset, length, leader epoch
_SPAN = struct.Struct(">qi11xi")  # base offset, length, last offset delta
_MAX_TIMESTAMP = struct.Struct(">q")
_MAX_TIMESTAMP_AT = 35
_ATTRIBUTES_AT = 21
_CRC_AT = 17

Buffer = bytes | bytearray | memoryview


class Batch(NamedTuple):
    """The header of a batch."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records_count: int

    @property
    def size(self) -> int:
        """All bytes of the batch."""
        return self.length + PREFIX_SIZE

    @property
    def last_offset(self) -> int:
        """The offset of the last record, also where compaction removed it."""
        return self.base_offset + self.last_offset_delta

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last record; they wrap after 2**31 - 1."""
        return (self.base_sequence + self.last_offset_delta) & 0x7FFFFFFF

    @property
    def codec(self) -> int:
        """0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd."""
        return self.attributes & CODEC_MASK

    @property
    def is_transactional(self) -> bool:
        """Whether it belongs to a transaction."""
        return bool(self.attributes & TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        """Whether it is a marker: the end of a transaction."""
        return bool(self.attributes & CONTROL)


def read_header(buffer: Buffer, position: int = 0) -> Batch | None:
    """The header at a position; None when the buffer ends before the batch does."""
    if len(buffer) - position < HEADER_SIZE:
        return None
    batch = Batch._make(HEADER.unpack_from(buffer, position))
    if batch.length < HEADER_SIZE - PREFIX_SIZE or batch.size > len(buffer) - position:
        return None
    return batch


def read_span(buffer: Buffer, position: int) -> tuple[int, int, int] | None:
    """Base offset, last offset and size of the batch at a position; None past the buffer."""
    if len(buffer) - position < HEADER_SIZE:
        return None
    base, length, delta = _SPAN.unpack_from(buffer, position)
    return base, base + delta, length + PREFIX_SIZE


def is_intact(buffer: Buffer, position: int, batch: Batch) -> bool:
    """Whether magic and CRC are right."""
    body = memoryview(buffer)[position + CRC_FROM : position + batch.size]
    return batch.magic == MAGIC and crc32c.crc32c(body) == batch.crc


def check_produced(records: Buffer | None) -> Batch:
    """The header of what a producer sent: one batch, whole, intact, of this format."""
    if not records:
        raise Refused(ErrorCode.INVALID_RECORD, "no records")
    if len(records) > CRC_FROM and memoryview(records)[16] != MAGIC:
        raise Refused(ErrorCode.INVALID_RECORD, "record batches of magic 2 only")
    batch = read_header(records)
    if batch is None:
        raise Refused(ErrorCode.CORRUPT_MESSAGE, "the batch is cut off")
    if batch.size != len(records):
        raise Refused(ErrorCode.INVALID_RECORD, "one batch for each partition of a request")
    if not is_intact(records, 0, batch):
        raise Refused(ErrorCode.CORRUPT_MESSAGE, "the CRC is wrong")
    _check_content(batch)
    return batch


def _check_content(batch: Batch) -> None:
    if batch.records_count < 1 or batch.records_count != batch.last_offset_delta + 1:
        raise Refused(ErrorCode.INVALID_RECORD, "record count and offsets do not fit")
    if batch.is_control:
        raise Refused(ErrorCode.INVALID_RECORD, "clients do not write markers")
    if batch.codec > CODEC_MAX:
        raise Refused(ErrorCode.INVALID_RECORD, f"codec {batch.codec} is unknown")
    if batch.producer_id > NO_PRODUCER and batch.base_sequence < 0:
        raise Refused(ErrorCode.INVALID_RECORD, "a producer id without a sequence number")
    if batch.is_transactional and batch.producer_id == NO_PRODUCER:
        raise Refused(ErrorCode.INVALID_RECORD, "a transaction without a producer id")


def placed(records: Buffer, base_offset: int) -> bytearray:
    """The batch at its offset: 16 bytes before the CRC'd part change, nothing is encoded again."""
    data = bytearray(records)
    _PLACE.pack_into(data, 0, base_offset, len(data) - PREFIX_SIZE, 0)
    return data


def stamp(data: bytearray, now_ms: int) -> None:
    """Give a batch the time of the broker (`message.timestamp.type=LogAppendTime`)."""
    data[_ATTRIBUTES_AT + 1] |= LOG_APPEND_TIME
    _MAX_TIMESTAMP.pack_into(data, _MAX_TIMESTAMP_AT, now_ms)
    struct.pack_into(">I", data, _CRC_AT, crc32c.crc32c(memoryview(data)[CRC_FROM:]))


def rebuilt(batch: Batch, records: bytes, *, codec: int, count: int) -> bytes:
    """The batch with other records: offsets, timestamps and producer stay as they were."""
    attributes = (batch.attributes & ~CODEC_MASK) | codec
    data = bytearray(HEADER_SIZE + len(records))
    length = len(data) - PREFIX_SIZE
    fields = batch._replace(length=length, attributes=attributes, records_count=count, crc=0)
    HEADER.pack_into(data, 0, *fields)
    data[HEADER_SIZE:] = records
    struct.pack_into(">I", data, _CRC_AT, crc32c.crc32c(memoryview(data)[CRC_FROM:]))
    return bytes(data)


def marker(producer_id: int, producer_epoch: int, *, commit: bool, now_ms: int) -> bytes:
    """The control batch that ends a transaction on a partition."""
    key = struct.pack(">hh", 0, 1 if commit else 0)
    value = struct.pack(">hi", 0, 0)
    # Lengths and deltas are zigzag varints; each fits one byte: 2 * n.
    body = bytes([0, 0, 0, 2 * len(key)]) + key + bytes([2 * len(value)]) + value + b"\0"
    record = bytes([2 * len(body)]) + body
    attributes = TRANSACTIONAL | CONTROL
    header = Batch(
        base_offset=0,
        length=0,
        leader_epoch=0,
        magic=MAGIC,
        crc=0,
        attributes=attributes,
        last_offset_delta=0,
        first_timestamp=now_ms,
        max_timestamp=now_ms,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=-1,
        records_count=1,
    )
    return rebuilt(header, record, codec=0, count=1)


def commits(buffer: Buffer, position: int) -> bool:
    """Whether the marker at a position commits its transaction."""
    (record,) = records(memoryview(buffer)[position + HEADER_SIZE :], 1)
    return bool(record.key is not None and record.key[2:4] == b"\0\1")


class Record(NamedTuple):
    """One record of a batch, as far as a broker looks into it."""

    offset_delta: int
    timestamp_delta: int
    key: bytes | None
    is_tombstone: bool
    start: int
    end: int


def records(payload: Buffer, count: int) -> Iterator[Record]:
    """The records of an uncompressed payload; raises `Refused` where it is malformed."""
    view = bytes(payload)
    position = 0
    try:
        for _ in range(count):
            start = position
            length, position = _varint(view, position)
            end = position + length
            if length < 0 or end > len(view):
                raise Refused(ErrorCode.INVALID_RECORD, "a record is cut off")
            timestamp, position = _varint(view, position + 1)
            offset, position = _varint(view, position)
            key_size, position = _varint(view, position)
            key = None if key_size < 0 else view[position : position + key_size]
            value_size, _ = _varint(view, position + max(0, key_size))
            yield Record(offset, timestamp, key, value_size < 0, start, end)
            position = end
    except IndexError:
        raise Refused(ErrorCode.INVALID_RECORD, "a record is cut off") from None


def _varint(view: bytes, position: int) -> tuple[int, int]:
    """A zigzag number, and where it ends."""
    byte = view[position]
    position += 1
    number = byte & 0x7F
    shift = 7
    while byte & 0x80:
        byte = view[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
    return (number >> 1) ^ -(number & 1), position
