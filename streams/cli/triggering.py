"""`stepwell trigger`: instances are started, one or as many as a file has lines."""

import json
import sys
from typing import IO, TYPE_CHECKING

import click

from stepwell.schemas.parts import Lane
from stepwell.streams.cli.completion import complete_workflows
from stepwell.streams.cli.control import print_receipt
from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    asking_options,
    pass_invocation,
)
from stepwell.streams.cli.json_text import JsonText
from stepwell.streams.cli.output import clean, print_fields, print_json

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from stepwell.schemas.events import Json
    from stepwell.streams.views import InstanceSummary, Receipt

    Wanted = list[tuple[str | None, Json]]

FIELDS = {"id", "params"}


@click.command()
@click.argument("workflow", metavar="WORKFLOW", shell_complete=complete_workflows)
@click.argument("given", metavar="[PARAMS]", type=JsonText(), required=False)
@click.option("--id", "instance_id", metavar="ID", help="The id; one is made up without it.")
@click.option(
    "--params", metavar="JSON|-", type=JsonText(), help="The same as PARAMS; - reads stdin."
)
@click.option(
    "--lane",
    type=click.Choice([lane.value for lane in Lane]),
    default=Lane.LIVE.value,
    show_default=True,
    help="Bulk gives way to live.",
)
@click.option("--wait", is_flag=True, help="Until it has ended, or is paused.")
@click.option(
    "--batch",
    type=click.File("rb"),
    metavar="FILE",
    help='One instance for each line of FILE: {"id": …, "params": …}, both may be left out.',
)
@asking_options
@pass_invocation
def trigger(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    workflow: str,
    given: "Json",
    instance_id: str | None,
    params: "Json",
    lane: str,
    wait: bool,
    batch: IO[bytes] | None,
) -> None:
    """Start an instance of WORKFLOW, with PARAMS in JSON; - reads them from stdin."""
    if batch is not None:
        if instance_id is not None or wait or given is not None or params is not None:
            raise click.UsageError("With --batch the file has ids and parameters; nobody waits.")
        _start_batch(invocation, workflow, _read_batch(batch), lane)
        return
    if given is not None and params is not None:
        raise click.UsageError("Say the parameters once: as PARAMS, or with --params.")
    params = given if params is None else params
    settings, app = invocation.settings(), invocation.app()
    receipt = invocation.run(
        app.create_instance(settings, workflow, params, instance_id=instance_id, lane=lane)
    )
    if not wait:
        print_receipt(invocation, receipt)
        return
    if not invocation.json:
        click.echo(f"Waiting for {workflow}/{receipt.instance_id}", err=True)
    found = invocation.run(app.wait_for_instance(settings, receipt))
    _print_end(invocation, receipt, found)
    if found is None or found.status != "complete":
        click.get_current_context().exit(ExitCode.FAILED)


def _read_batch(lines: IO[bytes]) -> "Wanted":
    wanted: Wanted = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise click.BadParameter(f"line {number}: {error}", param_hint="--batch") from None
        if not isinstance(found, dict) or found.keys() - FIELDS:
            problem = f'line {number}: write {{"id": "…", "params": …}}'
            raise click.BadParameter(problem, param_hint="--batch")
        wanted.append((found.get("id"), found.get("params")))
    if not wanted:
        raise click.BadParameter("the file has no lines", param_hint="--batch")
    return wanted


def _start_batch(invocation: Invocation, workflow: str, wanted: "Wanted", lane: str) -> None:
    settings, started = invocation.settings(), 0

    def report(count: int) -> None:
        nonlocal started
        started = count
        bar.update(task, completed=count)

    bar, task = _bar(len(wanted))
    try:
        with bar:
            receipts = invocation.run(
                invocation.app().create_instances(
                    settings, workflow, wanted, lane=lane, report=report
                )
            )
    except KeyboardInterrupt:
        click.echo(
            f"Interrupted: {started} of {len(wanted)} lines were done, perhaps some more. Again, "
            "with the same ids, it starts only those that are missing.",
            err=True,
        )
        raise
    if invocation.json:
        print_json(receipts)
        return
    existed = len(wanted) - len(receipts)
    again = f"; {existed} were there already" if existed else ""
    click.echo(f"Started {len(receipts)} instances of {clean(workflow)}{again}.")
    click.echo(f"Next: stepwell instances list --workflow {clean(workflow)} --watch", err=True)


def _bar(total: int) -> "tuple[Progress, TaskID]":
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    return bar, bar.add_task("instances", total=total)


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
