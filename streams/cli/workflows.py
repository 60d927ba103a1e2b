"""`stepwell workflows`: which there are, how many instances are in which status, how steps fare."""

from typing import TYPE_CHECKING

import click

from stepwell.streams.cli.choosing import STATUSES
from stepwell.streams.cli.completion import complete_workflows
from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    asking_options,
    pass_invocation,
)
from stepwell.streams.cli.output import clean, print_fields, print_json, print_table

if TYPE_CHECKING:
    from stepwell.streams.lists import WorkflowStatistics


@click.group()
def workflows() -> None:
    """Look at the workflows that have instances."""


@workflows.command("list")
@asking_options
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List the workflows, and how many of their instances are in which status."""
    settings = invocation.settings()
    found = invocation.run(invocation.app().list_workflows(settings))
    if invocation.json:
        print_json(found)
    elif found:
        seen = [status for status in STATUSES if any(status in it.counts for it in found)]
        print_table(
            ("WORKFLOW", "INSTANCES", *(status.upper() for status in seen)),
            (
                (it.name, sum(it.counts.values()), *(it.counts.get(status, 0) for status in seen))
                for it in found
            ),
        )
    else:
        click.echo("No workflow has instances. To start one: stepwell trigger WORKFLOW", err=True)


@workflows.command()
@click.argument("name", shell_complete=complete_workflows)
@asking_options
@pass_invocation
def describe(invocation: Invocation, name: str) -> None:
    """Show the instances of a workflow by status, and its steps: how often, how long, how well.

    Durations are those of the newest instances, from the beginning of a step to its end.
    """
    settings = invocation.settings()
    found = invocation.run(invocation.app().describe_workflow(settings, name))
    if found is None:
        what = f"workflow {clean(name)} has no instances"
        failure = click.ClickException(f"{what}\nTry: stepwell workflows list")
        failure.exit_code = ExitCode.NOT_FOUND
        raise failure
    if invocation.json:
        print_json(found)
    else:
        _print(found)


def _print(found: "WorkflowStatistics") -> None:
    counts = ", ".join(f"{found.counts[it]} {it}" for it in STATUSES if found.counts.get(it))
    print_fields(
        (
            ("Workflow", found.workflow),
            ("Instances", found.total),
            ("Statuses", counts),
            ("P50", _duration(found.p50_ms)),
            ("P95", _duration(found.p95_ms)),
        )
    )
    if not found.steps:
        return
    click.echo()
    print_table(
        ("STEP", "KIND", "COUNT", "COMPLETE", "FAILED", "ATTEMPTS", "P50", "P95"),
        (
            (
                it.name,
                it.kind,
                it.count,
                it.complete,
                it.failed,
                it.attempts,
                _duration(it.p50_ms),
                _duration(it.p95_ms),
            )
            for it in found.steps
        ),
    )
    click.echo(f"Steps of the newest {found.sampled} instances.", err=True)


def _duration(ms: int | None) -> str:
    if ms is None:
        return ""
    return f"{ms} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
