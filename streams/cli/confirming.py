"""Asking before something is done that cannot be undone."""

import sys

import click

from stepwell.streams.cli.invocation import ExitCode

yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def confirmed(question: str, *, yes: bool) -> None:
    """Go on only with a yes: said before, or now on a terminal. Otherwise ends with exit code 4."""
    if yes:
        return
    if not sys.stdin.isatty():
        refused = click.ClickException(f"{question} Nobody can be asked here: say --yes.")
        refused.exit_code = ExitCode.REFUSED
        raise refused
    if not click.confirm(question, err=True):
        click.echo("Nothing was done.", err=True)
        click.get_current_context().exit(ExitCode.REFUSED)
