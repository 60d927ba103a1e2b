"""What is known about a segment without reading it, in a file of its own beside it.

It describes the segment up to `size` bytes, and is written only after these bytes were synced. A
start reads just what follows. Without it, or when it does not fit, the segment is read whole.
"""

import struct
from array import array
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path

import crc32c
import orjson

VERSION = 1
_CRC = struct.Struct(">I")

ProducerRow = list[int | list[list[int]] | None]


@dataclass(slots=True)
class Checkpoint:
    """A segment up to `size`: its index, and the state of the log there."""

    size: int
    next_offset: int
    first_timestamp: int
    max_timestamp: int
    offsets: "array[int]"
    positions: "array[int]"
    timestamps: "array[int]"
    producers: list[ProducerRow] = field(default_factory=list)
    aborted: list[list[int]] = field(default_factory=list)
    cleaned_ms: int | None = None
    tombstones: int = 0

    def encode(self) -> bytes:
        """As the file holds it."""
        payload = orjson.dumps(
            {
                "version": VERSION,
                "size": self.size,
                "next_offset": self.next_offset,
                "first_timestamp": self.first_timestamp,
                "max_timestamp": self.max_timestamp,
                "offsets": _text(self.offsets),
                "positions": _text(self.positions),
                "timestamps": _text(self.timestamps),
                "producers": self.producers,
                "aborted": self.aborted,
                "cleaned_ms": self.cleaned_ms,
                "tombstones": self.tombstones,
            }
        )
        return _CRC.pack(crc32c.crc32c(payload)) + payload


def read_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint in a file; None when there is none that can be trusted."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(data) < _CRC.size or _CRC.unpack_from(data)[0] != crc32c.crc32c(data[_CRC.size :]):
        return None
    found = orjson.loads(data[_CRC.size :])
    if found.pop("version") != VERSION:
        return None
    for name in ("offsets", "positions", "timestamps"):
        found[name] = _array(found[name])
    return Checkpoint(**found)


def _text(numbers: "array[int]") -> str:
    return b64encode(numbers.tobytes()).decode()


def _array(text: str) -> "array[int]":
    numbers = array("q")
    numbers.frombytes(b64decode(text))
    return numbers
