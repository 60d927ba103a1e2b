"""`stepwell embed`: lines to vectors."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from stepwell.streams.cli.interrupts import Interrupts
from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    common_options,
    pass_invocation,
)
from stepwell.streams.cli.model import directory_of, model_dir
from stepwell.streams.cli.output import clean

if TYPE_CHECKING:
    from rich.progress import Progress

    from stepwell.models import BadLine, Embedded, Embedder
    from stepwell.models.lines import Writer

NPY = ".npy"


@click.command()
@click.argument("source", type=click.File("rb"), default="-", metavar="[FILE]")
@click.option(
    "--field",
    "fields",
    multiple=True,
    help="Lines are JSON objects with the text here; several are joined by a blank line.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the vectors: JSON lines, or an array if it ends in .npy. Otherwise stdout.",
)
@click.option("--query", is_flag=True, help="The texts are queries, not passages.")
@click.option("--model", "name", metavar="NAME", help="A model in the cache, not the usual one.")
@model_dir
@common_options
@pass_invocation
def embed(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    source: IO[bytes],
    fields: tuple[str, ...],
    output: Path | None,
    query: bool,
    name: str | None,
) -> None:
    """Embed each line of FILE, or of standard input.

    Vectors are written in the order of the lines. A line without one (empty, no UTF-8, no JSON) is
    reported by its number and left out, and the exit code is 1; an array is then not written at
    all, for its rows are the lines.
    """
    from stepwell.models import embed_lines, read_texts

    with (
        _embedder(invocation, name) as embedder,
        _writer(output, embedder.dimension) as writer,
        _bar(shown=output is not None or not sys.stdout.isatty()) as bar,
        Interrupts() as interrupts,
    ):
        submit = embedder.submit_query if query else embedder.submit
        results = embed_lines(read_texts(_Input(source, interrupts), fields), submit)
        written, bad = _write(results, _Output(writer, interrupts), bar, source)
        if bad and output and output.suffix == NPY:
            raise click.ClickException(f"{bad} lines have no vector; {output} is not written")
    if embedder.texts_truncated:
        click.echo(f"{embedder.texts_truncated} texts were cut at the model's limit", err=True)
    if bad:
        click.echo(f"{bad} of {written + bad} lines have no vector", err=True)
        click.get_current_context().exit(ExitCode.FAILED)


@dataclass(frozen=True, slots=True)
class _Input:
    """Lines that Ctrl-C need not wait for."""

    stream: IO[bytes]
    interrupts: Interrupts

    def readline(self, limit: int, /) -> bytes:
        """The next line, or the first `limit` bytes of it."""
        with self.interrupts.allowed():
            return self.stream.readline(limit)


@dataclass(frozen=True, slots=True)
class _Output:
    """A place for vectors; Ctrl-C need not wait for its reader."""

    writer: "Writer"
    interrupts: Interrupts

    def write(self, embedded: "Embedded") -> None:
        """Takes the next vector."""
        with self.interrupts.allowed():
            self.writer.write(embedded)


def _write(
    results: "Iterator[Embedded | BadLine]", writer: "Writer", bar: "Progress", source: IO[bytes]
) -> tuple[int, int]:
    """How many lines were written, and how many were bad, which are reported as they come."""
    from stepwell.models import BadLine

    written, bad, size_bytes = 0, 0, _size(source)
    task = bar.add_task("embed", total=size_bytes, lines=0)
    try:
        for result in results:
            if isinstance(result, BadLine):
                bad += 1
                _say(bar, f"line {result.line}: {result.reason}")
            else:
                written += 1
                writer.write(result)
            read_bytes = None if size_bytes is None else source.tell()
            bar.update(task, completed=read_bytes, lines=result.line)
    except KeyboardInterrupt:
        _say(bar, f"Interrupted after {written + bad} lines")
        raise
    return written, bad


def _embedder(invocation: Invocation, name: str | None) -> "Embedder":
    from stepwell.models import Embedder, Precision, Provider

    settings = invocation.settings().model
    return Embedder.load(
        directory_of(invocation, name),
        threads=settings.threads,
        precision=Precision(settings.precision),
        provider=Provider(settings.provider),
        tokens_per_run_max=settings.tokens_per_run,
    )


@contextmanager
def _writer(output: Path | None, dimension: int) -> "Iterator[Writer]":
    from stepwell.models import JsonLines, Npy

    try:
        if output is None:
            with JsonLines(click.get_binary_stream("stdout")) as writer:
                yield writer
        elif output.suffix == NPY:
            with Npy(output, dimension=dimension) as array:
                yield array
        else:
            with output.open("wb") as stream, JsonLines(stream) as writer:
                yield writer
    except BrokenPipeError:
        raise  # click knows what to do
    except OSError as error:
        raise click.FileError(str(output or "standard output"), error.strerror) from error


def _bar(*, shown: bool) -> "Progress":
    """A progress bar on stderr, if it is to be shown and somebody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.fields[lines]} lines"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not (shown and sys.stderr.isatty()),
    )


def _say(bar: "Progress", line: str) -> None:
    """A line on stderr, above the bar."""
    bar.console.print(clean(line), markup=False, highlight=False, soft_wrap=True)


def _size(source: IO[bytes]) -> int | None:
    """The size of a file; None for a pipe, which has no end yet."""
    try:
        status = os.fstat(source.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
