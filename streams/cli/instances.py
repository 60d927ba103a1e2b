"""`stepwell instances`: what has run, what is running, and why it does not go on."""

import asyncio
import json
import textwrap
from typing import TYPE_CHECKING

import click

from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    common_options,
    pass_invocation,
)
from stepwell.streams.cli.output import clean, print_fields, print_json, print_table, when
from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.engine.names import check_instance_id

if TYPE_CHECKING:
    from stepwell.streams.views import InstanceDetails

LIMIT_MAX = 10_000
CELL_LENGTH = 200
"""Longer outputs are cut in tables; `--json` shows all of them."""


@click.group()
def instances() -> None:
    """Look at instances of workflows."""


@instances.command("list")
@click.option("--workflow", metavar="NAME", help="Only instances of this workflow.")
@click.option("--status", metavar="STATUS", help="Only instances with this status.")
@click.option("--limit", type=click.IntRange(1, LIMIT_MAX), default=50, show_default=True)
@common_options
@pass_invocation
def list_(invocation: Invocation, workflow: str | None, status: str | None, limit: int) -> None:
    """List instances, newest first."""
    settings = invocation.settings()
    found = asyncio.run(
        invocation.app().list_instances(settings, workflow=workflow, status=status, limit=limit)
    )
    if invocation.json:
        print_json(found)
    elif found:
        print_table(
            ("WORKFLOW", "INSTANCE", "STATUS", "CREATED", "UPDATED", "ERROR"),
            (
                (
                    each.workflow,
                    each.instance_id,
                    each.status,
                    when(each.created_ms),
                    when(each.updated_ms),
                    each.error or "",
                )
                for each in found
            ),
        )
    else:
        click.echo("No such instances. Webhooks sent to `stepwell gateway` start some.", err=True)


@instances.command()
@click.argument("instance_id", metavar="[ID]", default="latest")
@click.option("--workflow", metavar="NAME", help="Where several workflows have this id.")
@common_options
@pass_invocation
def describe(invocation: Invocation, instance_id: str, workflow: str | None) -> None:
    """Show an instance and its steps; without ID, or with `latest`, the newest."""
    try:
        check_instance_id(instance_id)
    except InvalidDefinition as error:
        raise click.BadParameter(textwrap.shorten(clean(error), CELL_LENGTH)) from error
    settings = invocation.settings()
    found = asyncio.run(invocation.app().describe_instance(settings, workflow, instance_id))
    if found is None:
        click.echo(f"Error: no instance {instance_id}\nTry: stepwell instances list", err=True)
        click.get_current_context().exit(ExitCode.NOT_FOUND)
    if invocation.json:
        print_json(found)
    else:
        _print_details(found)


def _print_details(found: "InstanceDetails") -> None:
    summary = found.summary
    print_fields(
        (
            ("Workflow", summary.workflow),
            ("Instance", summary.instance_id),
            ("Status", summary.status),
            ("Created", when(summary.created_ms)),
            ("Updated", when(summary.updated_ms)),
            ("Error", summary.error),
            ("Params", _cut(found.params)),
            ("Output", _cut(found.output)),
        )
    )
    if found.steps:
        click.echo()
        print_table(
            ("STEP", "STATUS", "ATTEMPTS", "STARTED", "FINISHED", "RESULT"),
            (
                (
                    f"{step.name}-{step.occurrence}",
                    step.status,
                    step.attempts,
                    when(step.started_ms),
                    when(step.finished_ms),
                    step.error or _cut(step.output),
                )
                for step in found.steps
            ),
        )


def _cut(value: object) -> str:
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= CELL_LENGTH else f"{text[: CELL_LENGTH - 1]}…"
