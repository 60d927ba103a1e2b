"""`stepwell topics`: the topics Stepwell needs."""

import click

from stepwell.streams.cli.invocation import Invocation, asking_options, pass_invocation
from stepwell.streams.cli.output import print_json


@click.group()
def topics() -> None:
    """Prepare the topics on Kafka."""


@topics.command()
@asking_options
@pass_invocation
def ensure(invocation: Invocation) -> None:
    """Create topics that are missing, and refuse those that are not as they must be."""
    settings = invocation.settings()
    created = invocation.run(invocation.app().ensure_topics(settings))
    if invocation.json:
        print_json({"created": created})
    else:
        for name in created:
            click.echo(f"Created {name}")
        click.echo("All topics are as they should be.")
