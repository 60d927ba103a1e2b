"""`stepwell instances`: what has run, what is running, and why it does not go on.

The commands that change something are in `control.py`.
"""

import asyncio
import json
from typing import TYPE_CHECKING

import click

from stepwell.streams.cli import check, control
from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    common_options,
    pass_invocation,
)
from stepwell.streams.cli.output import clean, print_fields, print_json, print_table, when
from stepwell.streams.replay.asking import parse_at

if TYPE_CHECKING:
    from stepwell.streams.views import InstanceDetails, StepView

LIMIT_MAX = 10_000
CELL_LENGTH = 200
"""Longer outputs are cut in tables; `--json` shows all of them."""


@click.group()
def instances() -> None:
    """Look at instances of workflows, and tell them what to do."""


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
            ("WORKFLOW", "INSTANCE", "STATUS", "CREATED", "UPDATED", "WHY"),
            (
                (
                    each.workflow,
                    each.instance_id,
                    each.status,
                    when(each.created_ms),
                    when(each.updated_ms),
                    each.error or each.reason or "",
                )
                for each in found
            ),
        )
    else:
        starts = "Webhooks sent to `stepwell gateway` start some, and so does `stepwell trigger`."
        click.echo(f"No such instances. {starts}", err=True)


@instances.command()
@click.argument("instance_id", metavar="[ID]", default="latest")
@click.option("--workflow", metavar="NAME", help="Where several workflows have this id.")
@click.option("--at", metavar="OFFSET|TIME", help="As it was at an offset of its journal, or then.")
@click.option("--tz", metavar="ZONE", help="The zone of a time that names none.")
@common_options
@pass_invocation
def describe(
    invocation: Invocation,
    *,
    instance_id: str,
    workflow: str | None,
    at: str | None,
    tz: str | None,
) -> None:
    """Show an instance and its steps; without ID, or with `latest`, the newest.

    With --at as it was: the record at that offset, or the last one at that time, has taken effect.
    """
    settings, app = invocation.settings(), invocation.app()
    if at is None:
        found = asyncio.run(app.describe_instance(settings, workflow, instance_id))
    else:
        moment = parse_at(at, tz)
        found = asyncio.run(app.describe_instance_at(settings, workflow, instance_id, moment))
    if found is None:
        click.echo(
            f"Error: no instance {clean(instance_id)}\nTry: stepwell instances list", err=True
        )
        click.get_current_context().exit(ExitCode.NOT_FOUND)
    if invocation.json:
        print_json(found)
    else:
        print_details(found)


def print_details(found: "InstanceDetails") -> None:
    """One instance for people: its facts, its steps, its events."""
    summary = found.summary
    rollback = found.rollback
    print_fields(
        (
            ("Workflow", summary.workflow),
            ("Instance", summary.instance_id),
            ("Status", summary.status),
            ("Reason", summary.reason),
            ("Created", when(summary.created_ms)),
            ("Updated", when(summary.updated_ms)),
            ("Error", summary.error),
            ("Rollback", rollback and rollback.outcome),
            ("Params", _cut(found.params)),
            ("Output", _cut(found.output)),
            ("Parent", found.parent),
            ("Replay of", found.replay and f"{found.replay.of} ({found.replay.id})"),
        )
    )
    if found.steps:
        click.echo()
        print_table(
            ("STEP", "STATUS", "ATTEMPTS", "STARTED", "FINISHED", "RESULT"),
            (
                (
                    _name(step),
                    step.status,
                    step.attempts,
                    when(step.started_ms),
                    when(step.finished_ms),
                    _result(step),
                )
                for step in found.steps
            ),
        )
    if found.events:
        click.echo()
        print_table(
            ("EVENT", "RECEIVED", "TAKEN BY", "PAYLOAD"),
            (
                (event.type, when(event.at_ms), event.taken_by or "nobody", _cut(event.payload))
                for event in found.events
            ),
        )


def _name(step: "StepView") -> str:
    name = f"{step.name}-{step.occurrence}"
    return name if step.kind == "do" else f"{step.kind} {name}"


def _result(step: "StepView") -> str:
    """What it gave, or what it waits for."""
    parts = [step.error or _cut(step.output)]
    if step.finished_ms is None and step.event_type is not None:
        matching = f" with {_cut(step.match)}" if step.match else ""
        parts.append(f"for event {step.event_type}{matching}")
    if step.child is not None:
        parts.append(f"child {step.child}")
    if step.until_ms is not None:
        parts.append(f"until {when(step.until_ms)}")
    return " ".join(part for part in parts if part)


def _cut(value: object) -> str:
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= CELL_LENGTH else f"{text[: CELL_LENGTH - 1]}…"


for command in (
    control.send_event,
    control.pause,
    control.resume,
    control.cancel,
    control.terminate,
    control.restart,
    control.delete,
    check.export,
):
    instances.add_command(command)
