"""`stepwell schema`: the public contract of events."""

import click

from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    common_options,
    pass_invocation,
)
from stepwell.streams.cli.output import print_json, print_table


@click.command()
@click.argument("name", metavar="[NAME|asyncapi]", required=False)
@common_options
@pass_invocation
def schema(invocation: Invocation, name: str | None) -> None:
    """Print a public JSON Schema by its NAME, or the AsyncAPI document; without a name, list them.

    The gateway serves the same: GET /schemas, /schemas/NAME and /asyncapi.json.
    """
    documents = invocation.app().contract(invocation.settings())
    if name is None:
        rows = [(each, _identity(document)) for each, document in documents.items()]
        if invocation.json:
            print_json([{"name": each, "id": identity} for each, identity in rows])
        else:
            print_table(("NAME", "IDENTITY"), rows)
    elif name in documents:
        print_json(documents[name])
    else:
        click.echo(f"Error: there is no schema {name!r}\nTry: stepwell schema", err=True)
        click.get_current_context().exit(ExitCode.NOT_FOUND)


def _identity(document: dict[str, object]) -> object:
    return document.get("$id") or f"AsyncAPI {document['asyncapi']}"
