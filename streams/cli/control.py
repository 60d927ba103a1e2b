"""`stepwell trigger`, and the commands of `stepwell instances` that change something."""

from collections.abc import Callable, Sequence
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
    StepRef,
    TerminateRequested,
)
from stepwell.streams.cli.bulk import do_bulk, is_bulk, many_options
from stepwell.streams.cli.choosing import which_option
from stepwell.streams.cli.completion import complete_instances
from stepwell.streams.cli.confirming import confirmed, yes_option
from stepwell.streams.cli.invocation import (
    Invocation,
    asking_options,
    pass_invocation,
)
from stepwell.streams.cli.json_text import JsonText
from stepwell.streams.cli.output import clean, print_fields, print_json, print_table
from stepwell.streams.cli.stepping import KINDS
from stepwell.streams.errors import InstanceError

if TYPE_CHECKING:
    from stepwell.schemas.events import Json
    from stepwell.streams.views import Receipt

Function = TypeVar("Function", bound=Callable[..., object])

UNSTAMPED = 0
"""Commands get their time when they are sent."""


reason_option = click.option(
    "--reason", default="", metavar="TEXT", help="Shown wherever the instance is."
)


def command_options(function: Function) -> Function:
    """What every command to an instance takes."""
    for option in (
        asking_options,
        which_option,
        click.argument("instance_id", metavar="ID", shell_complete=complete_instances),
    ):
        function = option(function)
    return function


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
    _tell(invocation, workflow, [instance_id], EventReceived(type_, payload, UNSTAMPED, event_id))


@click.command()
@many_options
@reason_option
@yes_option
@asking_options
@pass_invocation
def pause(
    invocation: Invocation,
    *,
    instance_ids: tuple[str, ...],
    workflow: str | None,
    reason: str,
    yes: bool,
) -> None:
    """Start no more steps, and pause when those that run have ended."""
    if is_bulk(instance_ids):
        do_bulk(invocation, "pause", workflow=workflow, yes=yes, reason=reason)
    else:
        _tell(invocation, workflow, instance_ids, PauseRequested(UNSTAMPED, reason))


@click.command()
@many_options
@reason_option
@yes_option
@asking_options
@pass_invocation
def resume(
    invocation: Invocation,
    *,
    instance_ids: tuple[str, ...],
    workflow: str | None,
    reason: str,
    yes: bool,
) -> None:
    """Go on after a pause; its time does not count for sleeps and waits."""
    if is_bulk(instance_ids):
        do_bulk(invocation, "resume", workflow=workflow, yes=yes, reason=reason)
    else:
        _tell(invocation, workflow, instance_ids, ResumeRequested(UNSTAMPED, reason))


@click.command()
@reason_option
@command_options
@pass_invocation
def cancel(invocation: Invocation, *, instance_id: str, workflow: str | None, reason: str) -> None:
    """Ask the workflow to end: its code sees a cancellation and may clean up."""
    _tell(invocation, workflow, [instance_id], CancelRequested(UNSTAMPED, reason))


@click.command()
@click.option("--rollback", is_flag=True, help="Run the rollback of its steps first.")
@many_options
@reason_option
@yes_option
@asking_options
@pass_invocation
def terminate(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    instance_ids: tuple[str, ...],
    workflow: str | None,
    rollback: bool,
    reason: str,
    yes: bool,
) -> None:
    """End instances; their code is not asked."""
    if is_bulk(instance_ids):
        do_bulk(
            invocation, "terminate", workflow=workflow, yes=yes, reason=reason, rollback=rollback
        )
    else:
        _tell(invocation, workflow, instance_ids, TerminateRequested(UNSTAMPED, rollback, reason))


@click.command()
@click.option(
    "--from-step",
    "--from-step-name",
    metavar="NAME[:N]",
    help="Keep what precedes the N-th step NAME.",
)
@click.option(
    "--from-step-count", type=click.IntRange(1), metavar="N", help="N, where it is not in the name."
)
@click.option(
    "--kind",
    "--from-step-type",
    type=click.Choice(list(KINDS)),
    default="do",
    show_default=True,
    help="The kind of the step; waitForEvent is wait.",
)
@many_options
@reason_option
@yes_option
@asking_options
@pass_invocation
def restart(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    instance_ids: tuple[str, ...],
    workflow: str | None,
    from_step: str | None,
    from_step_count: int | None,
    kind: str,
    reason: str,
    yes: bool,
) -> None:
    """Run instances again with their parameters, from the beginning or from a step."""
    if is_bulk(instance_ids):
        if from_step is not None:
            raise click.UsageError("--from-step is for instances that are named by ID.")
        do_bulk(invocation, "restart", workflow=workflow, yes=yes, reason=reason)
        return
    step = None if from_step is None else _step_ref(from_step, from_step_count, KINDS[kind])
    _tell(invocation, workflow, instance_ids, RestartRequested(UNSTAMPED, step, reason))


@click.command()
@many_options
@reason_option
@yes_option
@asking_options
@pass_invocation
def delete(
    invocation: Invocation,
    *,
    instance_ids: tuple[str, ...],
    workflow: str | None,
    reason: str,
    yes: bool,
) -> None:
    """Stop instances without a rollback, and forget them."""
    if is_bulk(instance_ids):
        do_bulk(invocation, "delete", workflow=workflow, yes=yes, reason=reason)
        return
    what = (
        f"instance {instance_ids[0]}"
        if len(instance_ids) == 1
        else f"{len(instance_ids)} instances"
    )
    confirmed(f"Delete {clean(what)}? It cannot be undone.", yes=yes)
    _tell(invocation, workflow, instance_ids, DeleteRequested(UNSTAMPED))


def _tell(
    invocation: Invocation, workflow: str | None, instance_ids: Sequence[str], command: Command
) -> None:
    """Tell one, or one after the other; of several, a refusal does not keep it from the others."""
    settings, app = invocation.settings(), invocation.app()
    if len(instance_ids) == 1:
        (only,) = instance_ids
        receipt = invocation.run(app.tell_instance(settings, workflow, only, command))
        print_receipt(invocation, receipt)
        return
    told: list[Receipt] = []
    code = 0
    for instance_id in instance_ids:
        try:
            receipt = invocation.run(app.tell_instance(settings, workflow, instance_id, command))
        except InstanceError as error:
            click.echo(f"{clean(instance_id)}: {clean(error)}", err=True)
            code = error.exit_code
        except KeyboardInterrupt:
            done = ", ".join(it.instance_id for it in told) or "nobody"
            click.echo(
                f"Interrupted: {clean(done)} was told, {clean(instance_id)} perhaps.", err=True
            )
            raise
        else:
            told.append(receipt)
    if invocation.json:
        print_json(told)
    else:
        print_table(
            ("WORKFLOW", "INSTANCE", "STATUS", "NOTE"),
            (
                (
                    it.workflow,
                    it.instance_id,
                    it.status or "deleted",
                    "" if it.accepted else f"nothing was done: {it.message}",
                )
                for it in told
            ),
        )
    click.get_current_context().exit(code)


def _step_ref(text: str, count: int | None, kind: str) -> StepRef:
    name, colon, number = text.rpartition(":")
    if count is not None:
        return StepRef(text, count, kind)
    if colon and number.isdecimal():
        return StepRef(name, int(number), kind)
    return StepRef(text, 1, kind)


def print_receipt(invocation: Invocation, receipt: "Receipt") -> None:
    """What became of a command, and where to look next."""
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
    if receipt.status is not None:
        workflow, instance_id = clean(receipt.workflow), clean(receipt.instance_id)
        click.echo(
            f"Next: stepwell instances describe {instance_id} --workflow {workflow}", err=True
        )
