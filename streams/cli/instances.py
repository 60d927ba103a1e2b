"""`stepwell instances`: what has run, what is running, and why it does not go on.

The commands that change something are in `control.py`.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from stepwell.streams.cli import check, control, stepping
from stepwell.streams.cli.choosing import (
    chosen_filters,
    filter_options,
    which_option,
    workflow_option,
)
from stepwell.streams.cli.completion import complete_instances
from stepwell.streams.cli.describing import details_of, no_instance, print_details
from stepwell.streams.cli.invocation import (
    Invocation,
    asking_options,
    pass_invocation,
)
from stepwell.streams.cli.output import (
    print_json,
    print_json_line,
    print_table,
    table_of,
    when,
)
from stepwell.streams.cli.watching import can_draw, drawn, watch_option, written
from stepwell.streams.replay.asking import parse_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stepwell.streams.lists import InstancePage
    from stepwell.streams.views import InstanceDetails, InstanceSummary

LIMIT_MAX = 10_000
HEADERS = ("WORKFLOW", "INSTANCE", "STATUS", "CREATED", "UPDATED", "WHY")


@click.group()
def instances() -> None:
    """Look at instances of workflows, and tell them what to do."""


@instances.command("list")
@workflow_option
@filter_options
@click.option("--reverse", is_flag=True, help="Oldest first.")
@click.option("--limit", type=click.IntRange(1, LIMIT_MAX), default=50, show_default=True)
@click.option("--cursor", metavar="CURSOR", help="What follows: as the page before this one said.")
@watch_option
@asking_options
@pass_invocation
def list_(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    workflow: str | None,
    reverse: bool,
    limit: int,
    cursor: str | None,
    watch: bool,
) -> None:
    """List instances, newest first.

    With --watch off a terminal, instances are written when they are new or have changed; with
    --json each on a line.
    """
    if watch and cursor:
        raise click.UsageError("--watch shows the first page: leave --cursor out.")
    settings, app, filters = invocation.settings(), invocation.app(), chosen_filters(workflow)
    if watch:
        pages = app.watch_instances(settings, filters, limit=limit, oldest_first=reverse)
        if can_draw() and not invocation.json:
            invocation.run(drawn(pages, lambda page: table_of(HEADERS, _rows(page.instances))))
        else:
            invocation.run(written(pages, _Novelties(invocation.json).write))
        return
    page = invocation.run(
        app.page_instances(settings, filters, limit=limit, cursor=cursor, oldest_first=reverse)
    )
    if invocation.json:
        print_json(page.instances)
    elif page.instances:
        print_table(HEADERS, _rows(page.instances))
    else:
        starts = "Webhooks sent to `stepwell gateway` start some, and so does `stepwell trigger`."
        click.echo(f"No such instances. {starts}", err=True)
    if page.cursor:
        click.echo(f"There are more: add --cursor {page.cursor}", err=True)


def _rows(found: "Iterable[InstanceSummary]") -> "Iterator[tuple[str, ...]]":
    for each in found:
        yield (
            each.workflow,
            each.instance_id,
            each.status,
            when(each.created_ms),
            when(each.updated_ms),
            each.error or each.reason or "",
        )


class _Novelties:
    """Writes of each page what the page before did not have."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._known: set[InstanceSummary] = set()

    def write(self, page: "InstancePage") -> None:
        """The oldest first: what is newest is written last, as in a log."""
        new = [each for each in reversed(page.instances) if each not in self._known]
        for each in new if self._as_json else ():
            print_json_line(asdict(each))
        if new and not self._as_json:
            print_table(HEADERS if not self._known else [""] * len(HEADERS), _rows(new))
        self._known = set(page.instances)


@instances.command()
@click.argument("instance_id", metavar="[ID]", default="latest", shell_complete=complete_instances)
@which_option
@click.option("--at", metavar="OFFSET|TIME", help="As it was at an offset of its journal, or then.")
@click.option("--tz", metavar="ZONE", help="The zone of a time that names none.")
@watch_option
@asking_options
@pass_invocation
def describe(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    instance_id: str,
    workflow: str | None,
    at: str | None,
    tz: str | None,
    watch: bool,
) -> None:
    """Show an instance and its steps; without ID, or with `latest`, the newest.

    With --at as it was: the record at that offset, or the last one at that time, has taken effect.
    With --watch until it has ended.
    """
    if watch and at is not None:
        raise click.UsageError("What was does not change: leave --at or --watch out.")
    settings, app = invocation.settings(), invocation.app()
    if watch:
        seen = app.watch_instance(settings, workflow, instance_id)
        if can_draw() and not invocation.json:
            invocation.run(drawn(seen, details_of))
        else:
            invocation.run(written(seen, _Descriptions(invocation.json).write))
        return
    if at is None:
        found = invocation.run(app.describe_instance(settings, workflow, instance_id))
    else:
        moment = parse_at(at, tz)
        found = invocation.run(app.describe_instance_at(settings, workflow, instance_id, moment))
    if found is None:
        raise no_instance(instance_id)
    if invocation.json:
        print_json(found)
    else:
        print_details(found)


class _Descriptions:
    """Writes an instance when it is not as it was."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._last: InstanceDetails | None = None

    def write(self, found: "InstanceDetails") -> None:
        """Whole."""
        if found == self._last:
            return
        if self._as_json:
            print_json_line(found)
        else:
            if self._last is not None:
                click.echo()
            print_details(found)
        self._last = found


for command in (
    stepping.step,
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
