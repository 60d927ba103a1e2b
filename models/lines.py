"""A stream of lines to a stream of vectors: in order, at any length, bad lines by their number.

lines ─read_texts─▶ Text ─embed_lines─▶ Embedded ─▶ JsonLines or Npy ─▶ whole_file, or a pipe
                      └──▶ BadLine ───────┴─▶ BadLine
"""

import os
import re
import select
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from io import UnsupportedOperation
from itertools import count
from pathlib import Path
from typing import IO, Protocol, Self

import numpy as np
import orjson

from stepwell.models.arrays import Vector
from stepwell.models.errors import BadVector, TextRefused

LINE_BYTES_MAX = 16 << 20
_AHEAD_MAX = 512
"""So many texts are under way while the first of them is waited for."""

_CHUNK_BYTES = 1 << 16
_BETWEEN_FIELDS = "\n\n"
_BYTE_ORDER_MARK = "\ufeff"
_NOT_BLANK = re.compile(rb"\S")


@dataclass(frozen=True, slots=True)
class Text:
    """A line that can be embedded. `id` is that of its JSON object, if it has one."""

    line: int
    text: str
    id: object = None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that has no vector, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Embedded:
    """A line with its vector."""

    line: int
    id: object
    vector: Vector


class Reader(Protocol):
    """Where lines come from, such as a binary file."""

    def readline(self, limit: int, /) -> bytes:
        """The next line, or the first `limit` bytes of it; nothing at the end."""
        ...


class ChunkReader(Protocol):
    """A binary file, buffered or in memory."""

    def fileno(self) -> int:
        """Its number; `UnsupportedOperation` if it has none."""
        ...

    def read1(self, size: int, /) -> bytes:
        """What is there, at most `size` bytes; waits if there is nothing. b"" at the end."""
        ...


class Writer(Protocol):
    """Where vectors go."""

    def write(self, embedded: Embedded) -> None:
        """Takes the next vector."""
        ...


class Lines:
    """The lines of a file, which may be a pipe that idles. Nobody else may read the file."""

    def __init__(self, stream: ChunkReader) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._ended = False
        self._poll = _poll_of(stream)

    def ready(self) -> bool:
        """Whether a line that is not blank, or the end, is there already. Does not wait."""
        while not self._holds_line(self._not_blank()):
            if self._poll is not None and not self._poll.poll(0):
                return False
            self._take()
        return True

    def readline(self, limit: int, /) -> bytes:
        """The next line, or the first `limit` bytes of it; nothing at the end. Waits for it."""
        while not self._holds_line() and len(self._buffer) < limit:
            self._take()
        end = self._buffer.find(b"\n", 0, limit) + 1 or limit
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        return line

    def _holds_line(self, start: int = 0) -> bool:
        found = self._buffer.find(b"\n", start) >= 0
        return found or self._ended or len(self._buffer) >= LINE_BYTES_MAX

    def _not_blank(self) -> int:
        first = _NOT_BLANK.search(self._buffer)
        return first.start() if first else len(self._buffer)

    def _take(self) -> None:
        chunk = self._stream.read1(_CHUNK_BYTES)
        self._buffer += chunk
        self._ended = not chunk


def read_texts(stream: Reader, fields: Sequence[str] = ()) -> Iterator[Text | BadLine]:
    """Lines of text, or with `fields` lines of JSON objects in which the text stands there.

    A byte order mark before the first line is no part of it. Among JSON, blank lines are nothing.
    """
    for number in count(1):
        line = stream.readline(LINE_BYTES_MAX)
        if not line:
            return
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            while (rest := stream.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
                pass
            yield BadLine(number, f"is longer than {LINE_BYTES_MAX} bytes")
            continue
        try:
            text = line.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            yield BadLine(number, f"is no UTF-8: byte {error.start + 1} is {line[error.start]:#x}")
            continue
        if number == 1:
            text = text.removeprefix(_BYTE_ORDER_MARK)
        if not fields:
            yield Text(number, text)
        elif text.strip():
            yield _from_json(number, text, fields)


def embed_lines(
    texts: Iterable[Text | BadLine],
    submit: Callable[[str], Future[Vector]],
    ready: Callable[[], bool] = lambda: True,
) -> Iterator[Embedded | BadLine]:
    """The vector of each line, in order; some hundred lines are under way at any time.

    `ready` says whether the next text is there already. While it is not, what is under way is
    yielded instead of waiting for that text.
    """
    ahead: deque[tuple[Text, Future[Vector]] | BadLine] = deque()
    try:
        for text in texts:
            ahead.append(_submit(text, submit))
            while ahead and (len(ahead) == _AHEAD_MAX or not ready()):
                yield _finish(ahead.popleft())
        while ahead:
            yield _finish(ahead.popleft())
    finally:
        for it in ahead:
            if not isinstance(it, BadLine):
                it[1].cancel()


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, seen under its name when the block ends well, and never otherwise.

    Until then it lies beside it under another name, so it may be read from the old one meanwhile.
    Links are followed. What is no regular file, such as a pipe, is written at once.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
        return
    target = path.resolve()
    unfinished = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
    try:
        with unfinished.open("xb") as stream:
            yield stream
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


class JsonLines:
    """One JSON object on each line: `line`, `id` where the input has one, `vector`."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, embedded: Embedded) -> None:
        """Writes one line, at once: whoever reads the other end of a pipe may wait for it."""
        named = {} if embedded.id is None else {"id": embedded.id}
        document = {"line": embedded.line, **named, "vector": embedded.vector}
        options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
        self._stream.write(orjson.dumps(document, option=options))
        self._stream.flush()


class Npy:
    """An array (lines, dimension) in numpy's format, written to a `whole_file`."""

    def __init__(self, stream: IO[bytes], *, dimension: int) -> None:
        self._stream = stream
        self._dimension = dimension
        self._rows = 0
        self._write_header()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        """Only now is the number of rows known."""
        if kind is None:
            self._stream.seek(0)
            self._write_header()

    def write(self, embedded: Embedded) -> None:
        """Adds one row."""
        self._stream.write(embedded.vector.astype("<f4").tobytes())
        self._rows += 1

    def _write_header(self) -> None:
        """Of the same length whatever the number of rows: numpy leaves room for it to grow."""
        shape = (self._rows, self._dimension)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._stream, header)


def _poll_of(stream: ChunkReader) -> "select.poll | None":
    """Tells whether reading has to wait; None for what never waits, a file in memory."""
    try:
        number = stream.fileno()
    except UnsupportedOperation:
        return None
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return poll


def _from_json(number: int, line: str, fields: Sequence[str]) -> Text | BadLine:
    try:
        document = orjson.loads(line)
    except ValueError as error:
        return BadLine(number, f"is not JSON: {error}")
    if not isinstance(document, dict):
        return BadLine(number, f"holds a {type(document).__name__}, an object is expected")
    found = {field: document.get(field) for field in fields}
    for field, value in found.items():
        if value is not None and not isinstance(value, str):
            return BadLine(number, f"{field} holds a {type(value).__name__}, a text is expected")
    parts = [value for value in found.values() if value]
    if not parts:
        return BadLine(number, f"has no text in {' or '.join(fields)}")
    return Text(number, _BETWEEN_FIELDS.join(parts), document.get("id"))


def _submit(
    text: Text | BadLine, submit: Callable[[str], Future[Vector]]
) -> tuple[Text, Future[Vector]] | BadLine:
    if isinstance(text, BadLine):
        return text
    try:
        return text, submit(text.text)
    except TextRefused as error:
        return BadLine(text.line, str(error))


def _finish(pending: tuple[Text, Future[Vector]] | BadLine) -> Embedded | BadLine:
    if isinstance(pending, BadLine):
        return pending
    text, future = pending
    try:
        return Embedded(text.line, text.id, future.result())
    except (BadVector, TextRefused) as error:
        return BadLine(text.line, str(error))
