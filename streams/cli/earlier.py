"""`stepwell replays` and `stepwell reindexes`: those of earlier, and how far each is."""

from typing import TYPE_CHECKING

import click

from stepwell.streams.cli.invocation import Invocation, asking_options, pass_invocation
from stepwell.streams.cli.output import print_fields, print_json, print_table, when

if TYPE_CHECKING:
    from stepwell.streams.gateway.replays import ReplayView

VERDICTS = ("same", "changed", "added", "missing", "skipped")
LIMIT_MAX = 1000


@click.group()
def replays() -> None:
    """Look at replays that were planned or done on this machine."""


@replays.command("list")
@asking_options
@pass_invocation
def list_replays(invocation: Invocation) -> None:
    """List replays, newest first."""
    settings = invocation.settings()
    found = invocation.run(invocation.app().list_replays(settings))
    if invocation.json:
        print_json(found)
    elif found:
        print_table(
            ("REPLAY", "MODE", "STATUS", "PLANNED", "DONE", "OF", "FAILED", "WHY"),
            (
                (
                    *(it.id, it.mode, it.status, when(it.at_ms)),
                    *(it.done, it.total, it.failed, it.error or ""),
                )
                for it in found
            ),
        )
    else:
        click.echo("No replays. To plan one: stepwell replay --to-earliest", err=True)


@replays.command()
@click.argument("replay_id", metavar="[ID]", default="latest")
@asking_options
@pass_invocation
def show(invocation: Invocation, replay_id: str) -> None:
    """Show a replay: how far it is or how it went, and what a verification has found."""
    settings = invocation.settings()
    found = invocation.run(invocation.app().show_replay(settings, replay_id))
    if invocation.json:
        print_json(found)
    else:
        _print(found)


def _print(found: "ReplayView") -> None:
    print_fields(
        (
            ("Replay", found.id),
            ("Mode", found.mode),
            ("Status", found.status),
            ("Planned", when(found.at_ms)),
            ("Started", when(found.started_ms)),
            ("Finished", when(found.finished_ms)),
            ("Done", f"{found.done} of {found.total}"),
            ("Already done", found.already_done or None),
            ("Failed", found.failed or None),
            ("Outcomes", ", ".join(f"{n} {how}" for how, n in found.outcomes.items())),
            ("Error", found.error),
        )
    )
    if found.counts:
        click.echo()
        print_table(
            ("STEP", *(it.upper() for it in VERDICTS)),
            ((step, *(n.get(it, 0) for it in VERDICTS)) for step, n in found.counts.items()),
        )
    if found.findings:
        click.echo()
        print_table(
            ("INSTANCE", "STEP", "VERDICT"),
            (
                (f"{it.workflow}/{it.instance}", f"{it.step}-{it.occurrence}", it.verdict)
                for it in found.findings
            ),
        )
    if found.status in ("interrupted", "begun"):
        click.echo(f"Go on: stepwell replay --resume {found.id}", err=True)


@click.group()
def reindexes() -> None:
    """Look at re-indexes; `stepwell reindex` starts one."""


@reindexes.command("list")
@click.option("--limit", type=click.IntRange(1, LIMIT_MAX), default=25, show_default=True)
@asking_options
@pass_invocation
def list_reindexes(invocation: Invocation, limit: int) -> None:
    """List re-indexes, newest first, with what became of their documents."""
    settings = invocation.settings()
    found = invocation.run(invocation.app().list_reindexes(settings, limit))
    if invocation.json:
        print_json(found)
    elif found:
        print_table(
            ("REINDEX", "STATUS", "SOURCE", "STARTED", "STORED", "STALE", "SKIPPED", "FAILED"),
            (
                (
                    *(it.view.instance_id, it.view.status, it.view.source, when(it.created_ms)),
                    *(it.view.stored, it.view.stale, it.view.skipped, it.view.failed),
                )
                for it in found
            ),
        )
    else:
        click.echo("No re-indexes. To start one: stepwell reindex --source FILE", err=True)
