"""`stepwell example`: the workflows of the gallery, and how each runs to its end here and now.

`stepwell example site` is one of them as a product: see `example_site.py`.
"""

import json
from typing import TYPE_CHECKING

import click

from stepwell.streams.cli.describing import print_details
from stepwell.streams.cli.example_site import site
from stepwell.streams.cli.invocation import ExitCode, Invocation, asking_options, pass_invocation
from stepwell.streams.cli.json_text import JsonText
from stepwell.streams.cli.output import print_fields, print_json, print_table

if TYPE_CHECKING:
    from stepwell.schemas.events import Json
    from stepwell.streams.examples.gallery import Example


@click.group()
def example() -> None:
    """Workflows to copy: list them, read about them, run them without any server."""


@example.command("list")
@asking_options
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List the examples."""
    from stepwell.streams.examples.gallery import EXAMPLES

    if invocation.json:
        print_json([{"name": each.name, "summary": each.summary} for each in EXAMPLES])
    else:
        print_table(("NAME", "SUMMARY"), ((each.name, each.summary) for each in EXAMPLES))


@example.command()
@click.argument("name")
@asking_options
@pass_invocation
def show(invocation: Invocation, name: str) -> None:
    """Show what an example does, where its code is, and the parameters it is run with."""
    found = _find(name)
    if invocation.json:
        facts = {"name": found.name, "page": found.page, "module": found.module}
        print_json(facts | {"params": found.params})
        return
    click.echo(found.page)
    click.echo()
    print_fields((("Code", found.module), ("Params", json.dumps(found.params))))


@example.command()
@click.argument("name")
@click.option(
    "--params", metavar="JSON|-", type=JsonText(), help="Instead of those that `show` shows."
)
@asking_options
@pass_invocation
def run(invocation: Invocation, name: str, params: "Json") -> None:
    """Run an example to its end: in this process, without any server, in virtual time."""
    from stepwell.streams.examples.running import run_offline

    ran = invocation.run(run_offline(_find(name), params))
    if invocation.json:
        print_json(ran)
    else:
        print_details(ran.details)
        if ran.messages:
            click.echo()
            print_table(("MESSAGES SENT",), ((message,) for message in ran.messages))
    if ran.details.summary.status != "complete":
        click.get_current_context().exit(ExitCode.FAILED)


example.add_command(site)


def _find(name: str) -> "Example":
    from stepwell.streams.examples.gallery import EXAMPLES

    for each in EXAMPLES:
        if each.name == name:
            return each
    failure = click.ClickException(f"no example {name}\nTry: stepwell example list")
    failure.exit_code = ExitCode.NOT_FOUND
    raise failure
