"""`stepwell reindex`: embed every document of a file or a repository again."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from stepwell.streams.cli.invocation import ExitCode, Invocation, asking_options, pass_invocation
from stepwell.streams.cli.output import clean, print_fields, print_json

if TYPE_CHECKING:
    from rich.progress import TaskID

    from stepwell.streams.settings import Settings
    from stepwell.streams.views import ReindexStarted, ReindexView

GITHUB = "github:"


@click.command()
@click.option("--source", metavar="FILE|-|github:OWNER/NAME", help="Documents as JSON lines.")
@click.option("--follow", is_flag=True, help="Show how far it is until it ends.")
@click.option("--id", "instance_id", metavar="ID", help="A second start with it does nothing.")
@click.option("--rate", type=float, metavar="DOCS/S", help="At most so many documents a second.")
@click.option("--prune", is_flag=True, help="Remove documents that the source does not have.")
@click.option("--into", metavar="COLLECTION", help="Otherwise the one that searches go to.")
@asking_options
@pass_invocation
def reindex(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    source: str | None,
    follow: bool,
    instance_id: str | None,
    rate: float | None,
    prune: bool,
    into: str | None,
) -> None:
    """Embed every document of a source again. Workers do it, beside their other work.

    A line of a file is an object with `title`, `body` and `id`, or `repo` and `number`, or `url`;
    also `type`, `state`, `labels` and `updated_at`. A repository gives its issues and milestones.

    With --prune, what the collection holds of the same types and repositories is removed unless the
    source has it. Without --source, --follow and --id show a re-index that was started before.
    """
    settings, app = invocation.settings(), invocation.app()
    started = None
    if source is not None:
        with _content(source) as file:
            started = invocation.run(
                app.start_reindex(
                    settings,
                    source if file is None else Path(source).name,
                    file,
                    id=instance_id,
                    rate=rate,
                    prune=prune,
                    into=into,
                )
            )
        instance_id = started.instance_id
    elif not (follow and instance_id):
        raise click.UsageError("Give --source, or --follow with --id.")
    assert instance_id is not None
    if follow:
        _follow(invocation, settings, instance_id)
    elif started is not None:
        _print_started(invocation, started)


def _follow(invocation: Invocation, settings: "Settings", instance_id: str) -> None:
    """Show it until it ends; who interrupts this interrupts nothing else."""
    bar, app = _Bar(shown=not invocation.json), invocation.app()
    try:
        with bar.progress:
            view = invocation.run(app.follow_reindex(settings, instance_id, bar.show))
    except KeyboardInterrupt:
        click.echo(f"Detached: re-index {instance_id} goes on.\n{_hints(instance_id)}", err=True)
        raise
    _print_end(invocation, view)
    if view.status != "complete" or view.failed:
        click.get_current_context().exit(ExitCode.FAILED)


def _print_started(invocation: Invocation, started: "ReindexStarted") -> None:
    if invocation.json:
        print_json(started)
        return
    lines = "" if started.documents is None else f", {started.documents} lines"
    state = "was started before" if started.existed else "is started"
    click.echo(f"Re-index {started.instance_id} of {clean(started.source)}{lines} {state}.")
    click.echo(_hints(started.instance_id), err=True)


def _hints(instance_id: str) -> str:
    return (
        f"Follow: stepwell reindex --follow --id {instance_id}\n"
        f"Cancel: stepwell instances terminate --workflow reindex {instance_id}"
    )


def _print_end(invocation: Invocation, view: "ReindexView") -> None:
    if invocation.json:
        print_json(view)
        return
    for failure in view.failures:
        click.echo(clean(failure), err=True)
    if (more := view.failed - len(view.failures)) > 0:
        click.echo(f"and {more} more", err=True)
    if view.note:
        click.echo(clean(view.note), err=True)
    counts = f"{view.stored} stored, {view.stale} stale, {view.skipped} skipped, "
    counts += f"{view.failed} failed, {view.pruned} pruned"
    if view.status == "complete":
        click.echo(f"{clean(view.source)} into {clean(view.collection)}: {counts}")
        return
    print_fields(
        (
            ("Re-index", view.instance_id),
            ("Status", view.status),
            ("Reason", view.error),
            ("So far", counts),
        )
    )


@contextmanager
def _content(source: str) -> Iterator[IO[bytes] | None]:
    """The file that a source is, open; None for a repository."""
    if source.startswith(GITHUB):
        yield None
        return
    try:
        file = click.open_file(source, "rb")
    except OSError as error:
        raise click.BadParameter(f"{source}: {error.strerror}", param_hint="--source") from error
    with file as content:
        yield content


class _Bar:
    """How many documents are through, how fast, and how many failed: on stderr, for people.

    It begins with what was there already: the rate is that of what was seen.
    """

    def __init__(self, *, shown: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.progress = Progress(
            TextColumn("{task.completed:,} documents"),
            BarColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[failed]} failed"),
            console=Console(stderr=True),
            transient=True,
            disable=not (shown and sys.stderr.isatty()),
        )
        self._task: TaskID | None = None

    def show(self, view: "ReindexView") -> None:
        """Bring it up to date."""
        if self._task is None:
            self._task = self.progress.add_task(
                "reindex", total=view.documents, completed=view.done, failed=0, rate=""
            )
        speed = self.progress.tasks[0].speed
        self.progress.update(
            self._task,
            completed=view.done,
            failed=view.failed,
            rate=f"{speed:,.0f}/s" if speed else "",
        )
