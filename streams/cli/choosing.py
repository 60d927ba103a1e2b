"""Which instances are meant: the same options for lists and for what is done to many."""

from functools import partial

import click

from stepwell.schemas import lifecycle
from stepwell.streams.cli.completion import complete_workflows
from stepwell.streams.cli.invocation import Function
from stepwell.streams.cli.times import Moment
from stepwell.streams.lists import InstanceFilters

STATUSES = tuple(status for status in lifecycle.STATUSES if status != lifecycle.DELETED)
CHOSEN = "instances.chosen"
"""Where the options leave what they were given, in the context of the call."""


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value not in (None, ()):
        context.meta.setdefault(CHOSEN, {})[str(parameter.name)] = value


_option = partial(click.option, expose_value=False, callback=_remember)


def filter_options(function: Function) -> Function:
    """Which instances: they must fit all of what is given."""
    ago = "TIME|90m|7d"
    for option in (
        _option("--text", "text", help="Only with this in id, error or subject.", metavar="TEXT"),
        _option("--subject", "subject", help="Only those that are about this.", metavar="SUBJECT"),
        _option("--id-prefix", "id_prefix", help="Only those whose id begins so.", metavar="TEXT"),
        _option("--to", "created_before_ms", help="Created before.", metavar=ago, type=Moment()),
        _option(
            "--from", "created_from_ms", help="Created since then.", metavar=ago, type=Moment()
        ),
        _option(
            "--status",
            "statuses",
            help="Only with this status, or one of several.",
            multiple=True,
            type=click.Choice(STATUSES),
        ),
    ):
        function = option(function)
    return function


workflow_option = click.option(
    "--workflow",
    metavar="NAME",
    shell_complete=complete_workflows,
    help="Only instances of this workflow.",
)


which_option = click.option(
    "--workflow",
    metavar="NAME",
    shell_complete=complete_workflows,
    help="Where several workflows have this id.",
)


def chosen_filters(workflow: str | None) -> InstanceFilters:
    """What the options of this call said."""
    given = click.get_current_context().meta.get(CHOSEN, {})
    return InstanceFilters(workflow=workflow, **given)


def is_filtered() -> bool:
    """Whether one of the options was given."""
    return bool(click.get_current_context().meta.get(CHOSEN))
