"""Reads the wire format of Protocol Buffers, as much as an inspection needs.

A graph of hundreds of megabytes is walked without being copied: what is not asked for is skipped.
"""

from collections.abc import Iterator

_VARINT, _EIGHT_BYTES, _MESSAGE, _FOUR_BYTES = 0, 1, 2, 5
_FIXED_BYTES = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_VARINT_BYTES_MAX = 10


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field; `ValueError` where the bytes are no message.

    A value is a number, or the bytes of a string, of a message in this one, or of packed numbers.
    Numbers of fixed size come as bytes as well.
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise ValueError(f"a field without a number at byte {at}")
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _MESSAGE:
            size, at = _varint(message, at)
        elif kind in _FIXED_BYTES:
            size = _FIXED_BYTES[kind]
        else:
            raise ValueError(f"a field of an unknown kind at byte {at}")
        if at + size > len(message):
            raise ValueError(f"{size} bytes expected at byte {at}, {len(message) - at} are there")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the low ones first, and the position after it."""
    value = 0
    for place, byte in enumerate(message[at : at + _VARINT_BYTES_MAX]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError(f"a number without an end at byte {at}")
