"""`stepwell doctor`: is everything there that Stepwell needs, and if not, what to do."""

import click

from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    asking_options,
    pass_invocation,
)
from stepwell.streams.cli.output import print_json, print_table


@click.command()
@asking_options
@pass_invocation
def doctor(invocation: Invocation) -> None:
    """Check broker, topics, index, model and clock. Exit code 1 when something is not well."""
    settings = invocation.settings()
    checks = invocation.run(invocation.app().doctor(settings))
    if invocation.json:
        print_json(checks)
    else:
        print_table(
            ("", "CHECK", "FOUND", "ADVICE"),
            (
                ("ok" if check.ok else "FAIL", check.name, check.detail, check.advice)
                for check in checks
            ),
        )
    if not all(check.ok for check in checks):
        click.get_current_context().exit(ExitCode.FAILED)
