"""`stepwell config`: every setting, its value and where that came from; and what each is for."""

import click

from stepwell.streams.cli.invocation import Invocation, common_options, pass_invocation
from stepwell.streams.cli.output import print_json, print_table


@click.group(invoke_without_command=True)
@common_options
@click.pass_context
def config(context: click.Context) -> None:
    """Show every setting with its value and origin; secrets are masked. Fails if one is wrong."""
    if context.invoked_subcommand is None:
        _show(context.ensure_object(Invocation))


@config.command()
@common_options
@pass_invocation
def show(invocation: Invocation) -> None:
    """Show every setting with its value and origin: the same as without a word."""
    _show(invocation)


def _show(invocation: Invocation) -> None:
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


@config.command()
@common_options
@pass_invocation
def check(invocation: Invocation) -> None:
    """Say whether the settings are right; exit code 2 names the first that is not."""
    settings = invocation.settings()
    origins = settings.origins
    if invocation.json:
        print_json({"ok": True, "given": dict(origins), "warnings": settings.warnings})
        return
    for path, origin in origins.items():
        click.echo(f"{path}: from {origin}")
    click.echo(f"The settings are right; {len(origins)} are given, all others have their default.")


@config.command()
@common_options
@pass_invocation
def reference(invocation: Invocation) -> None:
    """Print what each setting is for, in Markdown: unit, default, limits, environment variable."""
    from stepwell.streams.cli.settings_reference import markdown, rows

    if invocation.json:
        print_json(rows())
    else:
        click.echo(markdown(), nl=False)
