"""`stepwell config`: every setting, its value and where that came from."""

import click

from stepwell.streams.cli.invocation import Invocation, common_options, pass_invocation
from stepwell.streams.cli.output import print_json, print_table


@click.command()
@common_options
@pass_invocation
def config(invocation: Invocation) -> None:
    """Show every setting with its value and origin; secrets are masked. Fails if one is wrong."""
    from stepwell.streams.settings_catalog import catalog, shown

    settings = invocation.settings()
    rows = [
        {
            "setting": setting.path,
            "value": shown(getattr(getattr(settings, setting.section), setting.name)),
            "origin": settings.origin(setting.path),
            "variable": setting.variable,
            "type": setting.type,
            "default": shown(setting.default),
            "help": setting.help,
        }
        for setting in catalog()
    ]
    if invocation.json:
        print_json(rows)
    else:
        columns = ("setting", "value", "origin", "help")
        print_table(
            [column.upper() for column in columns],
            ([row[column] for column in columns] for row in rows),
        )
