"""`stepwell instances export` and `stepwell check`: new code against what has happened."""

from typing import BinaryIO

import click

from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    asking_options,
    pass_invocation,
    setting_flag,
)
from stepwell.streams.cli.output import print_json, print_table


@click.command()
@click.argument("instance_ids", metavar="[ID]...", nargs=-1)
@click.option("--all-running", is_flag=True, help="All instances that have not ended.")
@click.option("--workflow", metavar="NAME", help="Only instances of this workflow.")
@click.option("--with-sensitive", is_flag=True, help="Also those with sensitive results, in clear.")
@click.option(
    "--output", type=click.File("wb"), default="-", metavar="FILE", help="Instead of stdout."
)
@asking_options
@pass_invocation
def export(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    instance_ids: tuple[str, ...],
    all_running: bool,
    workflow: str | None,
    with_sensitive: bool,
    output: BinaryIO,
) -> None:
    """Write the histories of instances for `stepwell check`, one JSON document on a line."""
    if not instance_ids and not all_running:
        raise click.UsageError("name instances by their ID, or use --all-running")
    settings = invocation.settings()
    exported = invocation.run(
        invocation.app().export_instances(
            settings,
            instance_ids,
            workflow=workflow,
            all_running=all_running,
            with_sensitive=with_sensitive,
        )
    )
    output.writelines(line + b"\n" for line in exported.lines)
    output.flush()  # a reader who has gone is noticed here, not when everything ends
    for instance in exported.left_out:
        click.echo(f"Left out: {instance} has sensitive results (--with-sensitive)", err=True)


@click.command()
@setting_flag("--workflows", "worker.workflows", "module:function, or module:WorkflowClass")
@click.option(
    "--history",
    type=click.File("rb"),
    required=True,
    metavar="FILE",
    help="What `stepwell instances export` wrote; - reads stdin.",
)
@asking_options
@pass_invocation
def check(invocation: Invocation, history: BinaryIO) -> None:
    """Replay exported histories on the present code, without running a step.

    Ends with 1 when the code contradicts one of them: workers would pause that instance.
    """
    settings = invocation.settings()
    checked = invocation.run(invocation.app().check_histories(settings, history))
    if invocation.json:
        print_json(checked)
    else:
        print_table(
            ("INSTANCE", "RESULT", "THE CODE EXPECTS", "THE HISTORY HAS"),
            (
                (each.instance, "ok" if each.ok else "diverged", each.expected, each.found)
                for each in checked
            ),
        )
    if not all(each.ok for each in checked):
        click.get_current_context().exit(ExitCode.FAILED)
