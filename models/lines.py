"""A stream of lines to a stream of vectors: in order, at any length, bad lines by their number.

lines ─read_texts─▶ Text ─embed_lines─▶ Embedded ─▶ JsonLines or Npy
                      └──▶ BadLine ───────┴─▶ BadLine
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Protocol, Self

import numpy as np
import orjson

from stepwell.models.arrays import Vector
from stepwell.models.errors import BadVector, TextRefused

LINE_BYTES_MAX = 16 << 20
_AHEAD_MAX = 512
"""So many texts are under way while the first of them is waited for."""

_BETWEEN_FIELDS = "\n\n"


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


class Writer(Protocol):
    """Where vectors go; used as a context manager, which completes what was written."""

    def write(self, embedded: Embedded) -> None:
        """Takes the next vector."""
        ...


def read_texts(stream: Reader, fields: Sequence[str] = ()) -> Iterator[Text | BadLine]:
    """Lines of text, or with `fields` lines of JSON objects in which the text stands there."""
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
        else:
            yield _from_json(number, text, fields) if fields else Text(number, text)


def embed_lines(
    texts: Iterable[Text | BadLine], submit: Callable[[str], Future[Vector]]
) -> Iterator[Embedded | BadLine]:
    """The vector of each line, in order; some hundred lines are under way at any time."""
    ahead: deque[tuple[Text, Future[Vector]] | BadLine] = deque()
    try:
        for text in texts:
            ahead.append(_submit(text, submit))
            if len(ahead) == _AHEAD_MAX:
                yield _finish(ahead.popleft())
        while ahead:
            yield _finish(ahead.popleft())
    finally:
        for it in ahead:
            if not isinstance(it, BadLine):
                it[1].cancel()


class JsonLines:
    """One JSON object on each line: `line`, `id` where the input has one, `vector`."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stream.flush()

    def write(self, embedded: Embedded) -> None:
        """Writes one line."""
        named = {} if embedded.id is None else {"id": embedded.id}
        document = {"line": embedded.line, **named, "vector": embedded.vector}
        options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
        self._stream.write(orjson.dumps(document, option=options))


class Npy:
    """An array (lines, dimension) in numpy's format. The file appears when all of it is right."""

    def __init__(self, path: Path, *, dimension: int) -> None:
        self._path = path
        self._dimension = dimension
        self._rows = 0
        self._file = NamedTemporaryFile(  # noqa: SIM115 closed by __exit__
            dir=path.parent, prefix=f".{path.name}.", delete=False
        )
        self._write_header()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        """Nothing is left of an array that was not completed."""
        try:
            if kind is None:
                self._file.seek(0)
                self._write_header()
                self._file.close()
                Path(self._file.name).replace(self._path)
        finally:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)

    def write(self, embedded: Embedded) -> None:
        """Adds one row."""
        self._file.write(embedded.vector.astype("<f4").tobytes())
        self._rows += 1

    def _write_header(self) -> None:
        """Of the same length whatever the number of rows: numpy leaves room for it to grow."""
        shape = (self._rows, self._dimension)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)


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
