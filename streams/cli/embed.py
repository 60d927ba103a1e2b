"""`stepwell embed`: lines to vectors."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
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
from stepwell.streams.cli.output import clean, discard

if TYPE_CHECKING:
    from rich.progress import Progress

    from stepwell.models import BadLine, Embedded, Embedder, Lines
    from stepwell.models.lines import Text, Writer

NPY = ".npy"
_FIELDS_SHOWN_MAX = 8


def _path(_context: click.Context, _option: click.Parameter, value: str | None) -> Path | None:
    return None if value in {None, "-"} else Path(str(value))


@click.command()
@click.argument("source", type=click.File("rb"), default="-", metavar="[FILE]")
@click.option(
    "--field",
    "fields",
    multiple=True,
    help="Lines are JSON objects with the text here; several are joined by a blank line.",
)
@click.option("--plain", is_flag=True, help="Lines are texts, even if they look like JSON.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    callback=_path,
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
    source: BufferedReader,
    fields: tuple[str, ...],
    plain: bool,
    output: Path | None,
    query: bool,
    name: str | None,
) -> None:
    """Embed each line of FILE, or of standard input.

    Vectors are written in the order of the lines, and those of a pipe as soon as they are there. A
    line without one (empty, no UTF-8, no JSON) is reported by its number and left out, and the exit
    code is 1; an array is then not written at all, for its rows are the lines. Blank lines among
    JSON are passed over.

    The file of --output appears when all is done: whatever ends it before leaves what was there.
    """
    from stepwell.models import Lines, embed_lines, read_texts

    if plain and fields:
        raise click.UsageError("--plain and --field exclude each other")
    with (
        _embedder(invocation, name) as embedder,
        _bar(shown=output is not None or not sys.stdout.isatty()) as bar,
        Interrupts() as interrupts,
        _writer(output, embedder.dimension, interrupts) as writer,
    ):
        submit = embedder.submit_query if query else embedder.submit
        lines = Lines(source)
        texts = read_texts(_Input(lines, interrupts), fields)
        checked = texts if fields or plain else _no_json(texts)
        results = embed_lines(checked, submit, lines.ready)
        written, bad = _write(results, _Output(writer, interrupts), bar, source)
        if bad and output and _is_array(output):
            raise click.ClickException(f"{bad} lines have no vector; {output} is not written")
    if embedder.texts_truncated:
        click.echo(f"{embedder.texts_truncated} texts were cut at the model's limit", err=True)
    if bad:
        click.echo(f"{bad} of {written + bad} lines have no vector", err=True)
        click.get_current_context().exit(ExitCode.FAILED)


@dataclass(frozen=True, slots=True)
class _Input:
    """Lines that Ctrl-C need not wait for."""

    lines: "Lines"
    interrupts: Interrupts

    def readline(self, limit: int, /) -> bytes:
        """The next line, or the first `limit` bytes of it."""
        with self.interrupts.allowed():
            return self.lines.readline(limit)


@dataclass(frozen=True, slots=True)
class _Output:
    """A place for vectors; Ctrl-C need not wait for its reader."""

    writer: "Writer"
    interrupts: Interrupts

    def write(self, embedded: "Embedded") -> None:
        """Takes the next vector."""
        with self.interrupts.allowed():
            self.writer.write(embedded)


def _no_json(texts: "Iterator[Text | BadLine]") -> "Iterator[Text | BadLine]":
    """Refuses lines of which the first is a JSON object: its text is meant, not its braces."""
    for text in texts:
        if text.line == 1 and (fields := _fields_of(text)) is not None:
            shown = clean(", ".join(fields[:_FIELDS_SHOWN_MAX]))
            named = f" (there are: {shown})" if fields else ""
            raise click.UsageError(
                f"line 1 is a JSON object: name the field of its text with --field{named}, "
                "or give --plain to embed the lines as they are"
            )
        yield text


def _fields_of(text: "Text | BadLine") -> list[str] | None:
    """The fields of a JSON object that hold a text; None if it is no such object."""
    import orjson

    from stepwell.models import BadLine

    if isinstance(text, BadLine) or not text.text.lstrip().startswith("{"):
        return None
    try:
        document = orjson.loads(text.text)
    except ValueError:
        return None
    return [name for name, value in document.items() if isinstance(value, str)]


def _write(
    results: "Iterator[Embedded | BadLine]",
    writer: "Writer",
    bar: "Progress",
    source: BufferedReader,
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
    except (KeyboardInterrupt, SystemExit):
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
def _writer(output: Path | None, dimension: int, interrupts: Interrupts) -> "Iterator[Writer]":
    from stepwell.models import JsonLines, Npy, whole_file

    try:
        with ExitStack() as stack:
            stream: IO[bytes] = click.get_binary_stream("stdout")
            if output is not None:
                with interrupts.allowed():  # a named pipe opens when somebody reads it
                    stream = stack.enter_context(whole_file(output))
            stack.enter_context(_not_waited_for(stream))
            if output is not None and _is_array(output):
                yield stack.enter_context(Npy(stream, dimension=dimension))
            else:
                yield JsonLines(stream)
    except BrokenPipeError:
        raise  # click knows what to do
    except OSError as error:
        raise click.FileError(str(output or "standard output"), error.strerror) from error


@contextmanager
def _not_waited_for(stream: IO[bytes]) -> Iterator[None]:
    """Who interrupts does not wait until a reader takes what is written: it goes nowhere."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        discard(stream)
        raise


def _is_array(output: Path) -> bool:
    return output.suffix.lower() == NPY


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


def _size(source: BufferedReader) -> int | None:
    """The size of a file; None for a pipe, which has no end yet."""
    try:
        status = os.fstat(source.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
