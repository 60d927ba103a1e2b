"""How answers are printed: JSON for machines, tables for people, nothing that moves the cursor."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime

import click

from stepwell.streams.views import plain

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


def clean(value: object) -> str:
    """A value on one line; text from payloads cannot steer the terminal."""
    return UNSAFE.sub("", BLANKS.sub(" ", str(value))).strip()


def when(timestamp_ms: int | None) -> str:
    """A time as people and programs read it, in UTC."""
    if timestamp_ms is None:
        return ""
    time = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def print_json(value: object) -> None:
    """One JSON document. It is ASCII: safe for every terminal and every encoding."""
    click.echo(json.dumps(value, indent=2, default=_plain))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under headers; folded to the width of a terminal, never when piped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    table = Table(box=None, pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    console.print(table)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Names and values, one on a line; empty values are left out."""
    filled = [(f"{name}:", clean(value)) for name, value in fields if value not in (None, "")]
    width = max((len(name) for name, _ in filled), default=0)
    for name, value in filled:
        click.echo(f"{name:<{width}} {value}")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return plain(value)
