"""Bytes as people read them who have to: offset, hexadecimal, ASCII."""

BYTES_MAX = 1024
WIDTH = 16
_PRINTABLE = range(0x20, 0x7F)


def hexdump(raw: bytes, bytes_max: int = BYTES_MAX) -> str:
    """The beginning of some bytes, sixteen in a line."""
    lines = []
    for offset in range(0, min(len(raw), bytes_max), WIDTH):
        row = raw[offset : min(offset + WIDTH, bytes_max)]
        shown = "".join(chr(it) if it in _PRINTABLE else "." for it in row)
        lines.append(f"{offset:08x}  {row.hex(' '):<{WIDTH * 3 - 1}}  {shown}")
    return "\n".join(lines)
