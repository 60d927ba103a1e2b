"""What is asked of many instances at once: a dry run, until it is told `--yes`."""

import sys
import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from stepwell.streams.cli.choosing import chosen_filters, filter_options, is_filtered, which_option
from stepwell.streams.cli.completion import complete_instances
from stepwell.streams.cli.invocation import ExitCode, Function, Invocation
from stepwell.streams.cli.output import clean, print_fields, print_json, print_table, when

if TYPE_CHECKING:
    from rich.progress import Progress

    from stepwell.streams.gateway.bulk import BulkPlan, BulkProgress, BulkResult

OPTIONS = "instances.bulk"
"""Where the options leave what they were given, in the context of the call."""


@dataclass(slots=True)
class _Given:
    all_: bool = False
    bulk_id: str | None = None
    expected: int | None = None


def many_options(function: Function) -> Function:
    """Instances by their ids, or all that fit filters."""
    for option in (
        click.option(
            "--expected",
            type=click.IntRange(0),
            metavar="N",
            expose_value=False,
            callback=_given,
            help="With filters: only if so many match, as the dry run said.",
        ),
        click.option(
            "--bulk-id",
            metavar="ID",
            expose_value=False,
            callback=_given,
            help="With filters: go on with what was begun under this id.",
        ),
        filter_options,
        click.option(
            "--all",
            "all_",
            is_flag=True,
            expose_value=False,
            callback=_given,
            help="All instances, of --workflow if it is given. A dry run without --yes.",
        ),
        which_option,
        click.argument(
            "instance_ids", metavar="[ID]...", nargs=-1, shell_complete=complete_instances
        ),
    ):
        function = option(function)
    return function


def is_bulk(instance_ids: tuple[str, ...]) -> bool:
    """Whether filters say which instances; raises `UsageError` unless ids or filters do."""
    filtered = _options().all_ or is_filtered()
    if instance_ids and filtered:
        raise click.UsageError("Name instances by ID, or choose them by filters: not both.")
    if not instance_ids and not filtered:
        raise click.UsageError(
            "Name an instance by its ID, or latest; or choose many: --all, --status, --id-prefix, "
            "--subject, --text, --from, --to."
        )
    if instance_ids and (_options().bulk_id or _options().expected is not None):
        raise click.UsageError("--bulk-id and --expected are for what filters choose.")
    return filtered


def do_bulk(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    action: str,
    *,
    workflow: str | None,
    yes: bool,
    reason: str = "",
    rollback: bool = False,
) -> None:
    """Show what would be done; do it with `yes`."""
    from stepwell.streams.gateway.bulk import BulkAction, BulkRequest

    settings, app, given = invocation.settings(), invocation.app(), _options()
    request = BulkRequest(BulkAction(action), chosen_filters(workflow), reason, rollback)
    plan = invocation.run(app.plan_bulk(settings, request))
    if not yes:
        _print_plan(invocation, plan)
        return
    if not plan.matched and given.bulk_id is None:
        click.echo("No instance matches: nothing was done.", err=True)
        if invocation.json:
            print_json(plan)
        return
    bulk_id = given.bulk_id or f"b-{uuid.uuid4().hex[:12]}"
    expected = plan.matched if given.expected is None else given.expected
    click.echo(f"Bulk {bulk_id}: {action} {expected} instances", err=True)
    bar = _Bar(expected)
    try:
        with bar.shown():
            result = invocation.run(
                app.execute_bulk(
                    settings, request, bulk_id=bulk_id, expected=expected, report=bar.show
                )
            )
    except KeyboardInterrupt:
        again = f"the same command with --bulk-id {bulk_id} --expected {expected}"
        click.echo(
            f"Interrupted: {bar.told} of {expected} instances were told, perhaps some more.\n"
            f"Go on: {again}",
            err=True,
        )
        click.get_current_context().exit(ExitCode.INTERRUPTED)
    _print_result(invocation, result)
    if result.refused:
        click.get_current_context().exit(ExitCode.FAILED)


def _print_plan(invocation: Invocation, plan: "BulkPlan") -> None:
    if invocation.json:
        print_json(plan)
    else:
        counts = ", ".join(f"{count} {status}" for status, count in plan.counts.items())
        print_fields(
            (
                ("Action", plan.action.value),
                ("Matched", plan.matched),
                ("Statuses", counts),
                ("Would change", plan.applicable),
            )
        )
        if plan.sample:
            click.echo()
            print_table(
                ("WORKFLOW", "INSTANCE", "STATUS", "CREATED"),
                (
                    (it.workflow, it.instance_id, it.status, when(it.created_ms))
                    for it in plan.sample
                ),
            )
        if (more := plan.matched - len(plan.sample)) > 0:
            click.echo(f"and {more} more", err=True)
    click.echo(
        "Nothing was done: this was a dry run. Add --yes to do it"
        f"{f', and --expected {plan.matched} to do it only to so many' if plan.matched else ''}.",
        err=True,
    )


def _print_result(invocation: Invocation, result: "BulkResult") -> None:
    if invocation.json:
        print_json(result)
        return
    print_fields(
        (
            ("Bulk", result.id),
            ("Action", result.action.value),
            ("Done", result.done),
            ("Unchanged", result.unchanged or None),
            ("Refused", result.refused or None),
            ("Already done", result.already_done or None),
        )
    )
    for it in result.outcomes:
        if it.code is not None:
            click.echo(clean(f"{it.workflow}/{it.instance_id}: ({it.code}) {it.message}"), err=True)
    click.echo("Next: stepwell instances list", err=True)


class _Bar:
    """How many were told, on stderr, for people."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self.told = 0
        self._progress = Progress(
            console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
        )
        self._task = self._progress.add_task("instances", total=total)

    def shown(self) -> "AbstractContextManager[Progress]":
        """For as long as it is entered."""
        return self._progress

    def show(self, progress: "BulkProgress") -> None:
        """Bring it up to date."""
        self.told = progress.told
        self._progress.update(self._task, completed=progress.told)


def _given(context: click.Context, parameter: click.Parameter, value: object) -> None:
    setattr(context.meta.setdefault(OPTIONS, _Given()), str(parameter.name), value)


def _options() -> _Given:
    found: _Given = click.get_current_context().meta.setdefault(OPTIONS, _Given())
    return found
