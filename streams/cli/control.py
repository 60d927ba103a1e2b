"""`stepwell trigger`, and the commands of `stepwell instances` that change something."""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from stepwell.schemas.commands import (
    CancelRequested,
    Command,
    DeleteRequested,
    EventReceived,
    PauseRequested,
    RestartRequested,
    ResumeRequested,
    StepKind,
    StepRef,
    TerminateRequested,
)
from stepwell.schemas.parts import Lane
from stepwell.streams.cli.confirming import confirmed, yes_option
from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    common_options,
    pass_invocation,
)
from stepwell.streams.cli.output import clean, print_fields, print_json

if TYPE_CHECKING:
    from stepwell.schemas.events import Json
    from stepwell.streams.views import InstanceSummary, Receipt

Function = TypeVar("Function", bound=Callable[..., object])

SHOWN_BEFORE = 40
"""So much of a text is shown on either side of the place where it is wrong."""
UNSTAMPED = 0
"""Commands get their time when they are sent."""


class JsonText(click.ParamType):
    """JSON, or `-` for JSON on stdin."""

    name = "json"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Json":
        """Parse it."""
        text = sys.stdin.read() if value == "-" else str(value)
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            self.fail(_pointed_at(error), param, ctx)


def _pointed_at(error: json.JSONDecodeError) -> str:
    """What is wrong, with a caret below the place."""
    line, at = error.doc.split("\n")[error.lineno - 1], error.colno - 1
    first = max(0, at - SHOWN_BEFORE)
    shown = "".join(it if it.isprintable() else "?" for it in line[first : at + SHOWN_BEFORE])
    hint = 'Text is written "in quotes"; to read a file: - < FILE'
    return f"not JSON: {error.msg}\n  {shown}\n  {' ' * (at - first)}^\n{hint}"


def command_options(function: Function) -> Function:
    """What every command to an instance takes."""
    for option in (
        common_options,
        click.option("--workflow", metavar="NAME", help="Where several workflows have this id."),
        click.argument("instance_id", metavar="ID"),
    ):
        function = option(function)
    return function


@click.command()
@click.argument("workflow", metavar="WORKFLOW")
@click.option("--id", "instance_id", metavar="ID", help="The id; one is made up without it.")
@click.option(
    "--params", metavar="JSON|-", type=JsonText(), help="The parameters, or - to read them."
)
@click.option(
    "--lane",
    type=click.Choice([lane.value for lane in Lane]),
    default=Lane.LIVE.value,
    show_default=True,
    help="Bulk gives way to live.",
)
@click.option("--wait", is_flag=True, help="Until it has ended, or is paused.")
@common_options
@pass_invocation
def trigger(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    workflow: str,
    instance_id: str | None,
    params: "Json",
    lane: str,
    wait: bool,
) -> None:
    """Start an instance of WORKFLOW."""
    settings, app = invocation.settings(), invocation.app()
    receipt = asyncio.run(
        app.create_instance(settings, workflow, params, instance_id=instance_id, lane=lane)
    )
    if not wait:
        _print_receipt(invocation, receipt)
        return
    if not invocation.json:
        click.echo(f"Waiting for {workflow}/{receipt.instance_id}", err=True)
    found = asyncio.run(app.wait_for_instance(settings, receipt))
    _print_end(invocation, receipt, found)
    if found is None or found.status != "complete":
        click.get_current_context().exit(ExitCode.FAILED)


@click.command("send-event")
@click.option("--type", "type_", metavar="TYPE", required=True, help="What the instance waits for.")
@click.option("--payload", metavar="JSON|-", type=JsonText(), help="Or - to read it.")
@click.option("--event-id", metavar="ID", default="", help="A second event with it is refused.")
@command_options
@pass_invocation
def send_event(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    instance_id: str,
    workflow: str | None,
    type_: str,
    payload: "Json",
    event_id: str,
) -> None:
    """Send an event to an instance, which waits for it or will."""
    _tell(invocation, workflow, instance_id, EventReceived(type_, payload, UNSTAMPED, event_id))


@click.command()
@click.option("--reason", default="", help="Shown wherever the instance is.")
@command_options
@pass_invocation
def pause(invocation: Invocation, *, instance_id: str, workflow: str | None, reason: str) -> None:
    """Start no more steps, and pause when those that run have ended."""
    _tell(invocation, workflow, instance_id, PauseRequested(UNSTAMPED, reason))


@click.command()
@command_options
@pass_invocation
def resume(invocation: Invocation, *, instance_id: str, workflow: str | None) -> None:
    """Go on after a pause; its time does not count for sleeps and waits."""
    _tell(invocation, workflow, instance_id, ResumeRequested(UNSTAMPED))


@click.command()
@click.option("--reason", default="", help="Shown wherever the instance is.")
@command_options
@pass_invocation
def cancel(invocation: Invocation, *, instance_id: str, workflow: str | None, reason: str) -> None:
    """Ask the workflow to end: its code sees a cancellation and may clean up."""
    _tell(invocation, workflow, instance_id, CancelRequested(UNSTAMPED, reason))


@click.command()
@click.option("--rollback", is_flag=True, help="Run the rollback of its steps first.")
@click.option("--reason", default="", help="Shown wherever the instance is.")
@command_options
@pass_invocation
def terminate(
    invocation: Invocation,
    *,
    instance_id: str,
    workflow: str | None,
    rollback: bool,
    reason: str,
) -> None:
    """End an instance; its code is not asked."""
    _tell(invocation, workflow, instance_id, TerminateRequested(UNSTAMPED, rollback, reason))


@click.command()
@click.option("--from-step", metavar="NAME[:N]", help="Keep what precedes the N-th step NAME.")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in StepKind if kind is not StepKind.ROLLBACK]),
    default=StepKind.DO.value,
    show_default=True,
    help="The kind of the step.",
)
@command_options
@pass_invocation
def restart(
    invocation: Invocation,
    *,
    instance_id: str,
    workflow: str | None,
    from_step: str | None,
    kind: str,
) -> None:
    """Run an instance again with its parameters, from the beginning or from a step."""
    step = None if from_step is None else _step_ref(from_step, kind)
    _tell(invocation, workflow, instance_id, RestartRequested(UNSTAMPED, step))


@click.command()
@yes_option
@command_options
@pass_invocation
def delete(invocation: Invocation, *, instance_id: str, workflow: str | None, yes: bool) -> None:
    """Stop an instance without a rollback, and forget it."""
    confirmed(f"Delete instance {clean(instance_id)}? It cannot be undone.", yes=yes)
    _tell(invocation, workflow, instance_id, DeleteRequested(UNSTAMPED))


def _tell(invocation: Invocation, workflow: str | None, instance_id: str, command: Command) -> None:
    settings = invocation.settings()
    told = invocation.app().tell_instance(settings, workflow, instance_id, command)
    _print_receipt(invocation, asyncio.run(told))


def _step_ref(text: str, kind: str) -> StepRef:
    name, colon, number = text.rpartition(":")
    if colon and number.isdecimal():
        return StepRef(name, int(number), kind)
    return StepRef(text, 1, kind)


def _print_receipt(invocation: Invocation, receipt: "Receipt") -> None:
    if invocation.json:
        print_json(receipt)
        return
    print_fields(
        (
            ("Workflow", receipt.workflow),
            ("Instance", receipt.instance_id),
            ("Status", receipt.status or "deleted"),
            ("Note", "" if receipt.accepted else f"nothing was done: {receipt.message}"),
        )
    )


def _print_end(invocation: Invocation, receipt: "Receipt", found: "InstanceSummary | None") -> None:
    if invocation.json:
        print_json(found)
        return
    print_fields(
        (
            ("Workflow", receipt.workflow),
            ("Instance", receipt.instance_id),
            ("Status", found.status if found else "deleted"),
            ("Error", found.error if found else None),
            ("Reason", found.reason if found else None),
        )
    )
