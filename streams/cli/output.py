"""How answers are printed: JSON for machines, tables for people, nothing that moves the cursor."""

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import get_terminal_size
from time import time_ns
from typing import IO, TYPE_CHECKING, AnyStr

import click

from stepwell.streams.cli.times import ago
from stepwell.streams.views import plain

if TYPE_CHECKING:
    from rich.table import Table

BLANKS = re.compile(r"\s+")
UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters, escape sequences among them
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # changes of the writing direction
    "\ud800-\udfff"  # halves of characters
    "]"
)
PIPE_WIDTH = 10_000
"""Where nobody looks, lines are not folded."""
COLUMN_WIDTH_MIN = 8


def clean(value: object) -> str:
    """A value on one line; text from payloads cannot steer the terminal."""
    return UNSAFE.sub("", BLANKS.sub(" ", str(value))).strip()


def when(timestamp_ms: int | None) -> str:
    """A time as people and programs read it, in UTC; or how long ago, if the call says so."""
    if timestamp_ms is None:
        return ""
    if _is_relative():
        return ago(timestamp_ms, time_ns() // 1_000_000)
    time = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def print_json(value: object) -> None:
    """One JSON document. It is ASCII: safe for every terminal and every encoding."""
    click.echo(json.dumps(value, indent=2, default=_plain))


def print_json_line(value: object) -> None:
    """One JSON document on one line, at once: for answers that go on."""
    click.echo(json.dumps(value, default=_plain))
    sys.stdout.flush()


def discard(stream: IO[AnyStr]) -> None:
    """What is written there from now on goes nowhere: nobody reads it, or nobody waits for that."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under headers; folded to the width of a terminal, never when piped.

    On a terminal that is too narrow for columns each cell has its line.
    """
    from rich.console import Console

    console = Console(highlight=False)
    if console.is_terminal:  # rich takes every dumb one for one of 80 columns
        console.size = get_terminal_size()
    else:
        console.width = PIPE_WIDTH
    if console.width < len(headers) * COLUMN_WIDTH_MIN:
        for row in rows:
            print_fields(zip(headers, row, strict=True))
            click.echo()
    else:
        console.print(table_of(headers, rows))


def table_of(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> "Table":
    """Rows under headers, to be printed or drawn."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    return table


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Names and values, one on a line; empty values are left out."""
    for line in field_lines(fields):
        click.echo(line)


def field_lines(fields: Iterable[tuple[str, object]]) -> list[str]:
    """The lines of `print_fields`."""
    filled = [(f"{name}:", clean(value)) for name, value in fields if value not in (None, "")]
    width = max((len(name) for name, _ in filled), default=0)
    return [f"{name:<{width}} {value}" for name, value in filled]


def _is_relative() -> bool:
    context = click.get_current_context(silent=True)
    return getattr(context and context.obj, "time_format", "iso") == "relative"


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return plain(value)
