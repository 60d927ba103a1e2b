"""`stepwell explain`: why an instance does not advance."""

import click

from stepwell.streams.cli.choosing import which_option
from stepwell.streams.cli.completion import complete_instances
from stepwell.streams.cli.invocation import Invocation, asking_options, pass_invocation
from stepwell.streams.cli.output import clean, print_fields, print_json


@click.command()
@click.argument("instance_id", metavar="[ID]", default="latest", shell_complete=complete_instances)
@which_option
@asking_options
@pass_invocation
def explain(invocation: Invocation, instance_id: str, workflow: str | None) -> None:
    """Say why an instance does not advance, and what to do about it."""
    settings = invocation.settings()
    found = invocation.run(invocation.app().explain_instance(settings, workflow, instance_id))
    if invocation.json:
        print_json(found)
        return
    ownership = found.ownership
    print_fields(
        (
            ("Instance", found.instance),
            ("Status", found.status),
            ("Owner", ownership.owner or "nobody"),
            ("Partition", f"{ownership.topic}:{ownership.partition}, {ownership.behind} behind"),
        )
    )
    click.echo()
    if not found.causes:
        click.echo("Nothing holds it up: a step body runs that has no record before it ends.")
    for cause in found.causes:
        click.echo(f"{clean(cause.what)}\n  Try: {clean(cause.advice)}")
