"""`stepwell blobs prune`: frees `blobs.dir` of what nothing needs any more."""

from typing import TYPE_CHECKING

import click

from stepwell.streams.blob_files import OLDER_THAN_MIN_MS
from stepwell.streams.cli.confirming import confirmed, yes_option
from stepwell.streams.cli.invocation import Invocation, asking_options, pass_invocation
from stepwell.streams.cli.output import clean, field_lines, print_json
from stepwell.streams.cli.times import Duration

if TYPE_CHECKING:
    from stepwell.streams.blob_files import BlobPruning, FileCount


@click.group()
def blobs() -> None:
    """Large content: what is too large for records."""


def _not_too_young(_: click.Context, __: click.Parameter, value: int) -> int:
    if value < OLDER_THAN_MIN_MS:
        raise click.BadParameter("at least 1h: what is younger may be needed by a step that runs.")
    return value


@blobs.command()
@click.option(
    "--older-than",
    "older_than_ms",
    type=Duration(),
    callback=_not_too_young,
    metavar="7d|12h",
    default="7d",
    show_default=True,
    help="Keep what was put later. Take longer than your longest step.",
)
@click.option("--execute", is_flag=True, help="Do it; otherwise it is only said what would be.")
@yes_option
@asking_options
@pass_invocation
def prune(invocation: Invocation, *, older_than_ms: int, execute: bool, yes: bool) -> None:
    """Delete the files of blobs.dir that no record names any more. A dry run at first.

    All topics are read, and the files that stay: what a record or such a file names is kept.
    References elsewhere are not seen: in your databases, in compressed or encrypted events, in
    exported histories, in deployments on another broker with the same blobs.dir.
    """
    settings, app = invocation.settings(), invocation.app()
    if not execute or not yes:
        plan = invocation.run(app.plan_pruning(settings, older_than_ms))
        if not execute:
            _print(invocation, plan)
            click.echo("Nothing was deleted: this was a dry run. Add --execute to do it.", err=True)
            return
        _echo(plan, err=True)
        files = plan.unreferenced.files + plan.parts.files
        question = f"Delete {files} files of {plan.directory}, which {settings.kafka.bootstrap}"
        confirmed(clean(f"{question} does not name? It cannot be undone."), yes=yes)
    deleted = 0

    def report(files: int) -> None:
        nonlocal deleted
        deleted = files

    try:
        done = invocation.run(app.prune_blobs(settings, older_than_ms, report))
    except KeyboardInterrupt:
        click.echo(
            f"\nInterrupted: {deleted} files were deleted. Ask again for the rest.", err=True
        )
        raise
    _print(invocation, done)


def _print(invocation: Invocation, pruning: "BlobPruning") -> None:
    if invocation.json:
        print_json(pruning)
    else:
        _echo(pruning, err=False)


def _echo(pruning: "BlobPruning", *, err: bool) -> None:
    fields = (
        ("Folder", pruning.directory),
        ("Blobs", _size(pruning.blobs)),
        ("Too young", _size(pruning.too_young)),
        ("Referenced", _size(pruning.referenced)),
        ("Unreferenced", _size(pruning.unreferenced)),
        ("Left-over parts", _size(pruning.parts)),
        ("Deleted", pruning.deleted and _size(pruning.deleted)),
    )
    for line in field_lines(fields):
        click.echo(line, err=err)


def _size(count: "FileCount") -> str:
    return f"{count.files} files, {count.size_bytes} bytes"
