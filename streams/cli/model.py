"""`stepwell model`: obtain embedding models, check and measure them."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    common_options,
    pass_invocation,
    setting_flag,
)
from stepwell.streams.cli.output import clean, print_fields, print_json, print_table

if TYPE_CHECKING:
    from stepwell.models.arrays import Vectors

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
    if int8 and not _has_int8(directory):
        models.quantise(directory, report=_progress)
    if invocation.json:
        print_json({"model": name, "directory": directory})
    else:
        click.echo(directory)


def _is_meant(invocation: Invocation, name: str) -> bool:
    """Whether model.dir is for a model of this name, not for the one that usually lies there."""
    return "model.dir" in invocation.flags or name == invocation.settings(warn=False).model.id


def _has_int8(directory: Path) -> bool:
    from stepwell.models.manifest import read_manifest

    return read_manifest(directory).int8 is not None


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
    int8: bool,
) -> None:
    """Make a model of SOURCE, a directory of Hugging Face or sentence-transformers.

    The families of BERT, RoBERTa and DistilBERT are exported from their safetensors files; other
    networks from a graph that was exported already. The vectors are verified.
    """
    models = invocation.models()
    name = name or source.resolve().name
    directory = out or models.model_directory(name)
    manifest = models.export_directory(source, directory, name=name, graph=graph)
    if int8:
        manifest = models.quantise(directory, report=_progress)
    _print_figures(
        invocation,
        {
            "model": manifest.model_id,
            "directory": directory,
            "dimension": manifest.dimension,
            "max_tokens": manifest.max_tokens,
            "pooling": manifest.pooling,
            "normalised": manifest.normalised,
            "int8": manifest.int8 is not None,
            "query_prefix": manifest.query_prefix,
            "passage_prefix": manifest.passage_prefix,
        },
    )


@model.command()
@model_name
@click.option(
    "--reference",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Directory with texts.json, a list, and vectors.npy: compare with these instead.",
)
@model_dir
@common_options
@pass_invocation
def verify(invocation: Invocation, name: str | None, reference: Path | None) -> None:
    """Check a model's files by their hashes and its vectors by those it was exported with."""
    directory = directory_of(invocation, name)
    expected = _reference(reference, directory) if reference else None
    report = invocation.models().verify(directory, expected)
    _print_figures(invocation, {**asdict(report), "passed": report.passed})
    if not report.passed:
        click.get_current_context().exit(ExitCode.FAILED)


def _reference(folder: Path, directory: Path) -> "tuple[list[str], Vectors]":
    from stepwell.models.files import read_array, read_json
    from stepwell.models.manifest import read_manifest

    texts, vectors = read_json(folder / "texts.json", list), read_array(folder / "vectors.npy")
    expected = (len(texts), read_manifest(directory).dimension)
    if vectors.shape != expected:
        raise click.UsageError(f"{folder}: vectors.npy is {vectors.shape}, expected {expected}")
    return texts, vectors


@model.command()
@model_name
@click.option(
    "--texts",
    type=click.File("r", encoding="utf-8"),
    help="Lines to embed; otherwise texts of 8 to 180 words.",
)
@model_dir
@common_options
@pass_invocation
def bench(invocation: Invocation, name: str | None, texts: click.utils.LazyFile | None) -> None:
    """Measure a model on this machine: texts per second, latency of a query, memory.

    If it has a graph in 8 bits, that one as well, to compare.
    """
    lines = [line.strip() for line in texts if line.strip()] if texts else None
    if lines == []:
        raise click.UsageError("--texts holds no text")
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


def _print_figures(invocation: Invocation, figures: Mapping[str, object]) -> None:
    if invocation.json:
        print_json(figures)
    else:
        print_fields((name.replace("_", " "), value) for name, value in figures.items())


def _progress(line: str) -> None:
    click.echo(clean(line), err=True)
