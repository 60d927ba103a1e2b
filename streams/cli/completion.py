"""`stepwell completion`: what shells complete, names of workflows and instances among it.

Names come from the file that earlier commands have left: completing never waits for a broker.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from stepwell.streams.cli.invocation import Invocation

SHELLS = ("bash", "zsh", "fish")
LATEST = "latest"
_HOW = {
    "bash": 'eval "$(stepwell completion bash)" in ~/.bashrc',
    "zsh": 'eval "$(stepwell completion zsh)" in ~/.zshrc, after compinit',
    "fish": "stepwell completion fish > ~/.config/fish/completions/stepwell.fish",
}


@click.command(
    epilog="\b\nTo install:\n" + "\n".join(f"  {shell}: {how}" for shell, how in _HOW.items())
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands, options, statuses, workflows and instances."""
    root = click.get_current_context().find_root()
    name = root.info_name or "stepwell"
    variable = f"_{name}_COMPLETE".replace("-", "_").upper()
    chosen = get_completion_class(shell)
    assert chosen is not None
    # Not `source()`: for bash it runs bash, to warn of releases older than 4.4.
    script = chosen.source_template % chosen(root.command, {}, name, variable).source_vars()
    click.echo(script)


def complete_workflows(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Workflows that have instances."""
    from stepwell.streams.readmodel.names import known_workflows

    return _items(_known(context, lambda path: known_workflows(path, incomplete)))


def complete_instances(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Ids of instances, and `latest`."""
    from stepwell.streams.readmodel.names import known_instances

    latest = [LATEST] if LATEST.startswith(incomplete) else []
    return _items([*latest, *_known(context, lambda path: known_instances(path, incomplete))])


def _items(names: list[str]) -> list[CompletionItem]:
    """Not those that would steer a terminal, or that a shell would take apart."""
    return [CompletionItem(name) for name in names if name.isprintable() and " " not in name]


def _known(context: click.Context, read: Callable[[Path], list[str]]) -> list[str]:
    found: dict[str, None] = {}
    for path in _files(context):
        found.update(dict.fromkeys(read(path)))
    return list(found)


def _files(context: click.Context) -> Iterator[Path]:
    """The read models of this journal on this machine: the commands' own, and those of gateways."""
    from stepwell.streams.errors import ConfigurationError
    from stepwell.streams.readmodel.place import read_model_path

    invocation = context.find_object(Invocation) or Invocation()
    try:
        own = read_model_path(invocation.settings(warn=False))
    except ConfigurationError:
        return
    yield own
    yield from sorted(own.parent.glob(f"{own.stem}-*.sqlite"))
