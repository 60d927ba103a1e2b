"""`stepwell model`: obtain embedding models, check and measure them."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import IO

import click

from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    common_options,
    pass_invocation,
    setting_flag,
)
from stepwell.streams.cli.output import clean, print_fields, print_json, print_table

model_dir = setting_flag("--model-dir", "model.dir", "Directory of the model")
model_name = click.argument("name", required=False)
int8_flag = click.option(
    "--int8",
    is_flag=True,
    help="Add a graph in 8 bits, twice as fast and nearly as exact; takes a minute or more.",
)


def directory_of(invocation: Invocation, name: str | None = None) -> Path:
    """Where the model lies: one in the cache by its name, otherwise that of the settings."""
    settings, models = invocation.settings(warn=False), invocation.models()
    if name is not None and "model.dir" not in invocation.flags:
        return models.model_directory(name)
    return settings.model.dir or models.model_directory(name or settings.model.id)


@click.group()
def model() -> None:
    """Obtain embedding models, check and measure them."""


@model.command("list")
@common_options
@pass_invocation
def list_(invocation: Invocation) -> None:
    """The models known by name, and those in the cache."""
    found = invocation.models().list_models()
    if invocation.json:
        print_json(found)
        return
    print_table(
        ("MODEL", "CONTENTS", "DIMENSION", "TOKENS", "DIRECTORY"),
        (
            (
                it.name,
                "pinned" if it.pinned else "pinned by the first pull",
                it.dimension or "",
                it.max_tokens or "",
                it.problem or it.directory or "not pulled",
            )
            for it in found
        ),
    )


@model.command()
@model_name
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Directory that holds the published files; otherwise they are downloaded.",
)
@int8_flag
@model_dir
@common_options
@pass_invocation
def pull(invocation: Invocation, *, name: str | None, source: Path | None, int8: bool) -> None:
    """Obtain a model by its name, verify its files and export it; nothing if that was done.

    Without NAME, the model of the settings.
    """
    settings, models = invocation.settings(), invocation.models()
    name = name or settings.model.id
    preset = models.find_preset(name)
    destination = settings.model.dir if _is_meant(invocation, name) else None
    directory = models.pull(preset, destination, source=source, report=_progress)
    if int8:
        _add_int8(invocation, directory)
    if invocation.json:
        print_json({"model": name, "directory": directory})
    else:
        click.echo(directory)


def _is_meant(invocation: Invocation, name: str) -> bool:
    """Whether model.dir is for a model of this name, not for the one that usually lies there."""
    return "model.dir" in invocation.flags or name == invocation.settings(warn=False).model.id


def _add_int8(invocation: Invocation, directory: Path) -> None:
    """Quantises, unless that was done; the model is there whether it succeeds or not."""
    from stepwell.models.int8 import has_int8

    if has_int8(directory):
        return
    try:
        invocation.models().quantise(directory, report=_progress)
    except KeyboardInterrupt:
        _progress(f"Interrupted: the model has no graph in 8 bits yet. Try: {_quantise(directory)}")
        raise


def _quantise(directory: Path) -> str:
    return f"stepwell model quantise --model-dir {quote(str(directory))}"


@model.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--name", help="How the model is called; otherwise as its directory.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Directory to make; otherwise one in the cache, by the name.",
)
@click.option(
    "--onnx",
    "graph",
    metavar="FILE",
    help="A graph below the directory, such as onnx/model.onnx, instead of its safetensors.",
)
@click.option(
    "--output-name",
    "output",
    metavar="NAME",
    help="With --onnx: the output that holds the vectors, if it has none of the usual names.",
)
@int8_flag
@common_options
@pass_invocation
def export(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    source: Path,
    name: str | None,
    out: Path | None,
    graph: str | None,
    output: str | None,
    int8: bool,
) -> None:
    """Make a model of SOURCE, a directory of Hugging Face or sentence-transformers.

    The families of BERT, RoBERTa and DistilBERT are exported from their safetensors files; other
    networks from a graph that was exported already. The vectors are verified.
    """
    from stepwell.models.errors import DestinationOccupied
    from stepwell.models.manifest import MANIFEST

    if output is not None and graph is None:
        raise click.UsageError("--output-name goes with --onnx")
    if int8 and graph is not None:
        raise click.UsageError("--int8 is made from safetensors files, not from a graph (--onnx)")
    models = invocation.models()
    name = source.resolve().name if name is None else name
    directory = out or models.model_directory(name)
    if int8 and (directory / MANIFEST).exists():
        raise DestinationOccupied(directory, "is a model already", next_step=_quantise(directory))
    manifest = models.export_directory(source, directory, name=name, graph=graph, output=output)
    if int8:
        _add_int8(invocation, directory)
    _print_figures(
        invocation,
        {
            "model": manifest.model_id,
            "directory": directory,
            "dimension": manifest.dimension,
            "max_tokens": manifest.max_tokens,
            "pooling": manifest.pooling,
            "normalised": manifest.normalised,
            "int8": int8,
            "query_prefix": manifest.query_prefix,
            "passage_prefix": manifest.passage_prefix,
        },
    )


@model.command()
@model_name
@model_dir
@common_options
@pass_invocation
def quantise(invocation: Invocation, name: str | None) -> None:
    """Add a graph in 8 bits to a model that is there; nothing if that was done.

    It is twice as fast and nearly as exact, and takes a minute or more to make. It is used when
    model.precision is int8. Without NAME, the model of the settings.
    """
    from stepwell.models.manifest import read_manifest

    directory = directory_of(invocation, name)
    _add_int8(invocation, directory)
    manifest = read_manifest(directory)
    figures = {"model": manifest.model_id, "directory": directory}
    if manifest.int8:
        figures |= {
            "mean_cosine": round(manifest.int8.mean_cosine, 5),
            "min_cosine": round(manifest.int8.min_cosine, 4),
        }
    _print_figures(invocation, figures)


@model.command()
@model_name
@click.option(
    "--texts",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A JSON list of texts: compare with the vectors of --vectors instead.",
)
@click.option(
    "--vectors",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A .npy file with a row for each text of --texts.",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Directory of both files, if they are called texts.json and vectors.npy.",
)
@model_dir
@common_options
@pass_invocation
def verify(
    invocation: Invocation,
    *,
    name: str | None,
    texts: Path | None,
    vectors: Path | None,
    reference: Path | None,
) -> None:
    """Check a model's files by their hashes and its vectors by those it was exported with."""
    from stepwell.models.files import read_array, read_json

    if reference is not None and (texts or vectors):
        raise click.UsageError("--reference is instead of --texts and --vectors")
    if (texts is None) != (vectors is None):
        raise click.UsageError("--texts and --vectors belong together")
    if reference is not None:
        texts, vectors = reference / "texts.json", reference / "vectors.npy"
    expected = (read_json(texts, list), read_array(vectors)) if texts and vectors else None
    report = invocation.models().verify(directory_of(invocation, name), expected)
    _print_figures(invocation, {**asdict(report), "passed": report.passed})
    if not report.passed:
        click.get_current_context().exit(ExitCode.FAILED)


@model.command()
@model_name
@click.option(
    "--texts",
    type=click.File("rb"),
    help="File of lines to embed; otherwise texts of 8 to 180 words.",
)
@model_dir
@common_options
@pass_invocation
def bench(invocation: Invocation, name: str | None, texts: IO[bytes] | None) -> None:
    """Measure a model on this machine: texts per second, latency of a query, memory.

    And which model.tokens_per_run is the best here. If it has a graph in 8 bits, that one as well,
    to compare.
    """
    lines = _lines(texts) if texts else None
    reports = invocation.models().benchmark(directory_of(invocation, name), lines)
    measured = [
        {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(report).items()
        }
        for report in reports
    ]
    if invocation.json:
        print_json(measured)
        return
    for number, figures in enumerate(measured):
        click.echo("\n" * bool(number), nl=False)
        _print_figures(invocation, figures)


def _lines(stream: IO[bytes]) -> list[str]:
    from stepwell.models import BadLine, read_texts

    lines = []
    for it in read_texts(stream):
        if isinstance(it, BadLine):
            raise click.UsageError(f"--texts: line {it.line} {it.reason}")
        if text := it.text.strip():
            lines.append(text)
    if not lines:
        raise click.UsageError("--texts holds no text")
    return lines


def _print_figures(invocation: Invocation, figures: Mapping[str, object]) -> None:
    if invocation.json:
        print_json(figures)
    else:
        print_fields((name.replace("_", " "), _flat(value)) for name, value in figures.items())


def _flat(value: object) -> object:
    """A table of two columns on one line."""
    if not isinstance(value, Mapping):
        return value
    return ", ".join(f"{key}: {it}" for key, it in value.items())


def _progress(line: str) -> None:
    click.echo(clean(line), err=True)
