"""What lies in a compressed batch.

The broker passes batches through: only compaction, the search for a time and the check for keys
look inside.
"""

import struct

import cramjam

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.errors import Refused

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
XERIAL = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
_XERIAL_MAGIC = XERIAL[:8]
_LENGTH = struct.Struct(">i")


def decompress(codec: int, data: bytes | memoryview) -> bytes:
    """The records as they were before compression; raises `Refused` if it is not of the codec."""
    try:
        if codec == NONE:
            return bytes(data)
        if codec == GZIP:
            return bytes(cramjam.gzip.decompress(data))
        if codec == SNAPPY:
            return _from_snappy(bytes(data))
        if codec == LZ4:
            return bytes(cramjam.lz4.decompress(data))
        return bytes(cramjam.zstd.decompress(data))
    except (cramjam.DecompressionError, struct.error) as error:
        raise Refused(ErrorCode.CORRUPT_MESSAGE, f"cannot be decompressed: {error}") from error


def compress(codec: int, data: bytes) -> bytes:
    """Records as every client reads them."""
    if codec == GZIP:
        return bytes(cramjam.gzip.compress(data))
    if codec == SNAPPY:
        block = bytes(cramjam.snappy.compress_raw(data))
        return XERIAL + _LENGTH.pack(len(block)) + block
    if codec == LZ4:
        return bytes(cramjam.lz4.compress(data))
    if codec == ZSTD:
        return bytes(cramjam.zstd.compress(data))
    return data


def _from_snappy(data: bytes) -> bytes:
    """Java frames snappy in blocks of its own; librdkafka does not."""
    if not data.startswith(_XERIAL_MAGIC):
        return bytes(cramjam.snappy.decompress_raw(data))
    parts, position = [], len(XERIAL)
    while position < len(data):
        (length,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        parts.append(bytes(cramjam.snappy.decompress_raw(data[position : position + length])))
        position += length
    return b"".join(parts)
