"""`stepwell search`: the documents that answer a query best."""

import click

from stepwell.streams.cli.invocation import (
    Invocation,
    asking_options,
    pass_invocation,
)
from stepwell.streams.cli.output import print_json, print_table

LIMIT_MAX = 1000
GITHUB = "github:"
"""What the keys of GitHub's documents begin with; the table leaves it out."""


@click.command()
@click.argument("query", nargs=-1)
@click.option(
    "--similar-to",
    "key",
    metavar="DOCUMENT",
    help="Instead of a QUERY: documents that mean what this one does.",
)
@click.option("--type", "type_", metavar="TYPE", help="Only of this type: issue, milestone.")
@click.option("--repo", metavar="OWNER/NAME", help="Only of this repository.")
@click.option("--state", metavar="STATE", help="Only in this state: open, closed.")
@click.option("--label", "labels", multiple=True, help="Only with this label, or one of several.")
@click.option(
    "--mode",
    type=click.Choice(["semantic", "keyword", "hybrid"]),
    default="semantic",
    show_default=True,
    help="By meaning, by words, or by both rankings fused.",
)
@click.option("--limit", type=click.IntRange(1, LIMIT_MAX), default=10, show_default=True)
@asking_options
@pass_invocation
def search(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    query: tuple[str, ...],
    key: str | None,
    type_: str | None,
    repo: str | None,
    state: str | None,
    labels: tuple[str, ...],
    mode: str,
    limit: int,
) -> None:
    """Find documents that mean what QUERY says, or say it in its words; best first."""
    from stepwell.schemas.documents import SearchFilters
    from stepwell.streams.ports import SearchMode

    text = " ".join(query).strip()
    if not text and key is None:
        raise click.UsageError("QUERY is empty: say what to look for, or --similar-to what")
    if text and key is not None:
        raise click.UsageError("QUERY and --similar-to: one of them")
    filters = SearchFilters(type=type_, repo=repo, state=state, labels=labels)
    settings, app = invocation.settings(), invocation.app()
    if key is None:
        asked = app.search(settings, text, filters, limit, SearchMode(mode))
    else:
        asked = app.similar(settings, _full(key), filters, limit)
    hits = invocation.run(asked)
    if invocation.json:
        print_json(hits)
    elif hits:
        print_table(
            ("SCORE", "TYPE", "DOCUMENT", "STATE", "TITLE", "URL"),
            (
                (
                    f"{hit.score:.3g}",
                    hit.document.type,
                    hit.document.key.removeprefix(GITHUB),
                    hit.document.state,
                    hit.document.title,
                    hit.document.url,
                )
                for hit in hits
            ),
        )
    else:
        click.echo("Nothing found. What was taken in: stepwell instances list", err=True)


def _full(key: str) -> str:
    """The key of a document as the table shows it, or as it is."""
    return key if ":" in key else f"{GITHUB}{key}"
