"""`stepwell model`: obtain the embedding model, and check it."""

from dataclasses import asdict
from pathlib import Path

import click

from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    common_options,
    pass_invocation,
    setting_flag,
)
from stepwell.streams.cli.output import clean, print_fields, print_json


@click.group()
def model() -> None:
    """Obtain and check the embedding model."""


@model.command()
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Directory that holds the published files; otherwise they are downloaded.",
)
@setting_flag("--model-dir", "model.dir", "Directory of the model")
@common_options
@pass_invocation
def pull(invocation: Invocation, source: Path | None) -> None:
    """Obtain the model, verify its files and export it. Does nothing when that has been done."""
    settings, models = invocation.settings(), invocation.models()
    directory = models.pull(
        models.find_preset(settings.model.id), settings.model.dir, source=source, report=_progress
    )
    if invocation.json:
        print_json({"model": settings.model.id, "directory": directory})
    else:
        click.echo(directory)


@model.command()
@setting_flag("--model-dir", "model.dir", "Directory of the model")
@common_options
@pass_invocation
def verify(invocation: Invocation) -> None:
    """Check the model's files by their hashes and its vectors by those it was exported with."""
    settings, models = invocation.settings(), invocation.models()
    report = models.verify(settings.model.dir or models.model_directory(settings.model.id))
    figures = {**asdict(report), "passed": report.passed}
    if invocation.json:
        print_json(figures)
    else:
        print_fields((name.replace("_", " "), value) for name, value in figures.items())
    if not report.passed:
        click.get_current_context().exit(ExitCode.FAILED)


def _progress(line: str) -> None:
    click.echo(clean(line), err=True)
