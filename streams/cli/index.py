"""`stepwell index`: the collections of the vector index, for changing the model without a pause."""

from typing import TYPE_CHECKING

import click

from stepwell.streams.cli.confirming import confirmed, yes_option
from stepwell.streams.cli.invocation import Invocation, asking_options, pass_invocation
from stepwell.streams.cli.output import clean, print_json, print_table

if TYPE_CHECKING:
    from stepwell.streams.views import CollectionView

NAME = click.argument("name", metavar="NAME")


@click.group()
def index() -> None:
    """Change the embedding model while searches go on.

    \b
    stepwell model pull MODEL
    stepwell index create NAME --model MODEL   live events are written to both from now on
    stepwell reindex --source … --into NAME    the rest
    stepwell index switch NAME                 searches change over, at once
    stepwell index drop OLD                    when you are sure
    """  # noqa: D301 - click wants the character


@index.command("list")
@asking_options
@pass_invocation
def list_(invocation: Invocation) -> None:
    """The collections; searches go to the current one, writes to all."""
    found = invocation.run(invocation.app().list_collections(invocation.settings()))
    if invocation.json:
        print_json(found)
        return
    print_table(
        ("NAME", "MODEL", "DIMENSION", "DOCUMENTS", "CURRENT"),
        (
            (one.name, one.model, one.dimension, one.documents, "yes" if one.current else "")
            for one in found
        ),
    )


@index.command()
@NAME
@click.option("--model", required=True, metavar="MODEL", help="As in stepwell model list.")
@asking_options
@pass_invocation
def create(invocation: Invocation, *, name: str, model: str) -> None:
    """Make an empty collection for another model; workers fill it with what happens from now on.

    The model has to be pulled wherever a worker runs. A file to re-index from should be made after
    this, so that between the two nothing is missed.
    """
    made = invocation.run(invocation.app().create_collection(invocation.settings(), name, model))
    _say(
        invocation,
        made,
        f"Made {clean(made.name)} for {clean(made.model)}. Fill it with what is older: "
        f"stepwell reindex --into {clean(made.name)}",
    )


@index.command()
@NAME
@click.option(
    "--incomplete", is_flag=True, help="Even if it holds fewer documents than the current one."
)
@asking_options
@pass_invocation
def switch(invocation: Invocation, *, name: str, incomplete: bool) -> None:
    """Let all searches go to this collection, at once; they can be switched back in the same way.

    The others go on receiving what happens, until they are dropped.
    """
    settings = invocation.settings()
    chosen = invocation.run(
        invocation.app().switch_collection(settings, name, incomplete=incomplete)
    )
    _say(
        invocation,
        chosen,
        f"Searches go to {clean(chosen.name)} ({clean(chosen.model)}, {chosen.documents} "
        "documents). Set model.id to its model, for workers that start from now on.",
    )


@index.command()
@NAME
@yes_option
@asking_options
@pass_invocation
def drop(invocation: Invocation, *, name: str, yes: bool) -> None:
    """Delete a collection that is not current, with its vectors.

    Workers keep its model in memory until they are restarted.
    """
    settings = invocation.settings()
    confirmed(f"Delete collection {clean(name)} with all its vectors?", yes=yes)
    gone = invocation.run(invocation.app().drop_collection(settings, name))
    _say(invocation, gone, f"Deleted {clean(gone.name)} with {gone.documents} documents.")


def _say(invocation: Invocation, view: "CollectionView", text: str) -> None:
    if invocation.json:
        print_json(view)
    else:
        click.echo(text)
