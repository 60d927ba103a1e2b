"""How one instance is shown to people: its facts, its steps, its events."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from stepwell.streams.cli.invocation import ExitCode
from stepwell.streams.cli.output import clean, field_lines, print_table, table_of, when

if TYPE_CHECKING:
    from rich.console import RenderableType

    from stepwell.streams.views import InstanceDetails, StepView

    Table = tuple[Sequence[str], Iterable[Sequence[object]]]

CELL_LENGTH = 200
"""Longer outputs are cut in tables; `--json` and `instances step` show all of them."""


def no_instance(instance_id: str) -> click.ClickException:
    """Nobody has this id."""
    failure = click.ClickException(
        f"no instance {clean(instance_id)}\nTry: stepwell instances list"
    )
    failure.exit_code = ExitCode.NOT_FOUND
    return failure


def print_details(found: "InstanceDetails") -> None:
    """One instance, printed."""
    for line in field_lines(_facts(found)):
        click.echo(line)
    for headers, rows in _tables(found):
        click.echo()
        print_table(headers, rows)


def details_of(found: "InstanceDetails") -> "RenderableType":
    """One instance, to be drawn."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text("\n".join(field_lines(_facts(found))))]
    for headers, rows in _tables(found):
        parts += [Text(), table_of(headers, rows)]
    return Group(*parts)


def _facts(found: "InstanceDetails") -> Iterable[tuple[str, object]]:
    summary, origin, schedule = found.summary, found.origin, found.schedule
    yield "Workflow", summary.workflow
    yield "Instance", summary.instance_id
    yield "Status", summary.status
    yield "Reason", summary.reason
    yield "Created", when(summary.created_ms)
    yield "Updated", when(summary.updated_ms)
    yield "Subject", summary.subject
    yield "Event", origin and f"{origin.event_type} {origin.event_id} of {origin.source}"
    yield "Source", origin and f"{origin.topic}:{origin.partition}:{origin.offset}"
    yield "Schedule", schedule and schedule.cron
    yield "Lane", found.lane if found.lane != "live" else ""
    yield "Error", summary.error
    yield "Rollback", found.rollback and found.rollback.outcome
    yield "Params", cut(found.params)
    yield "Output", cut(found.output)
    yield "Parent", found.parent
    yield "Trace", found.trace_id
    yield "Replay of", found.replay and f"{found.replay.of} ({found.replay.id})"


def _tables(found: "InstanceDetails") -> "Iterable[Table]":
    if found.steps:
        yield (
            ("STEP", "STATUS", "ATTEMPTS", "STARTED", "FINISHED", "RESULT"),
            (
                (
                    name_of(step),
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
        yield (
            ("EVENT", "RECEIVED", "TAKEN BY", "PAYLOAD"),
            (
                (event.type, when(event.at_ms), event.taken_by or "nobody", cut(event.payload))
                for event in found.events
            ),
        )


def name_of(step: "StepView") -> str:
    """A step as tables name it."""
    name = f"{step.name}-{step.occurrence}"
    return name if step.kind == "do" else f"{step.kind} {name}"


def _result(step: "StepView") -> str:
    """What it gave, or what it waits for."""
    parts = [step.error or cut(step.output)]
    if step.finished_ms is None and step.event_type is not None:
        matching = f" with {cut(step.match)}" if step.match else ""
        parts.append(f"for event {step.event_type}{matching}")
    if step.child is not None:
        parts.append(f"child {step.child}")
    if step.until_ms is not None:
        parts.append(f"until {when(step.until_ms)}")
    return " ".join(part for part in parts if part)


def cut(value: object) -> str:
    """A value as JSON on one line, as much of it as fits a cell."""
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= CELL_LENGTH else f"{text[: CELL_LENGTH - 1]}…"
