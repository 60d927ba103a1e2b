"""`stepwell instances step`: one step of an instance, with its attempts and its whole output."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stepwell.streams.cli.choosing import which_option
from stepwell.streams.cli.completion import complete_instances
from stepwell.streams.cli.describing import name_of, no_instance
from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    asking_options,
    pass_invocation,
)
from stepwell.streams.cli.output import (
    clean,
    print_fields,
    print_json,
    print_table,
    when,
)

if TYPE_CHECKING:
    from stepwell.streams.stretches import AttemptView
    from stepwell.streams.views import InstanceDetails, StepView

SCREEN_BYTES_MAX = 2 * 1024 * 1024
"""More is not printed, as with `wrangler workflows`: `--output` writes it to a file."""
KINDS = {
    "do": "do",
    "step": "do",
    "sleep": "sleep",
    "wait": "wait",
    "waitForEvent": "wait",
    "child": "child",
}


@click.command()
@click.argument("instance_id", metavar="[ID]", default="latest", shell_complete=complete_instances)
@click.option("--step", "name", metavar="NAME[:N]", required=True, help="The N-th step NAME.")
@click.option(
    "--type",
    "kind",
    type=click.Choice(list(KINDS)),
    help="Where steps of several kinds have the name. step is do, waitForEvent is wait.",
)
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="Only this attempt.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what the step returned there, as JSON.",
)
@which_option
@asking_options
@pass_invocation
def step(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    instance_id: str,
    workflow: str | None,
    name: str,
    kind: str | None,
    attempt: int | None,
    output: Path | None,
) -> None:
    """Show a step of an instance: its attempts, and all that it returned or failed with."""
    settings = invocation.settings()
    found = invocation.run(invocation.app().describe_instance(settings, workflow, instance_id))
    if found is None:
        raise no_instance(instance_id)
    chosen = _choose(found, name, kind)
    tried = _choose_attempt(chosen, attempt) if attempt else None
    if output is not None:
        _write(chosen, output)
    elif invocation.json:
        print_json(tried or chosen)
    elif tried:
        _print_attempt(chosen, tried)
    else:
        _print_step(chosen)


def _choose(found: "InstanceDetails", text: str, kind: str | None) -> "StepView":
    wanted = None if kind is None else KINDS[kind]
    steps = [it for it in found.steps if wanted in (None, it.kind)]
    numbered = (
        f"{{}}{sign}{{}}".format for sign in ":-"
    )  # as --from-step takes it, as tables show
    fitting = [it for it in steps if it.name == text] or [
        it for write in numbered for it in steps if write(it.name, it.occurrence) == text
    ]
    if not fitting:
        known = ", ".join(dict.fromkeys(name_of(it) for it in found.steps)) or "none yet"
        raise _not_found(f"no step {clean(text)} in {_address(found)}; there are: {clean(known)}")
    if len({it.kind for it in fitting}) > 1:
        kinds = ", ".join(dict.fromkeys(it.kind for it in fitting))
        raise click.UsageError(
            f"Several kinds of steps have this name: say which with --type: {kinds}"
        )
    return fitting[0]


def _choose_attempt(step: "StepView", number: int) -> "AttemptView":
    for tried in step.attempts_made:
        if tried.number == number:
            return tried
    kept = ", ".join(str(it.number) for it in step.attempts_made) or "none"
    raise _not_found(
        f"no attempt {number} of {clean(name_of(step))} is recorded; there are: {kept}"
    )


def _not_found(text: str) -> click.ClickException:
    failure = click.ClickException(f"{text}\nTry: stepwell instances describe")
    failure.exit_code = ExitCode.NOT_FOUND
    return failure


def _address(found: "InstanceDetails") -> str:
    return f"{found.summary.workflow}/{found.summary.instance_id}"


def _write(step: "StepView", output: Path) -> None:
    text = json.dumps(step.output, ensure_ascii=False, indent=2)
    raw = f"{text}\n".encode("utf-8", "surrogatepass")
    try:
        output.write_bytes(raw)
    except OSError as error:
        raise click.FileError(str(output), hint=error.strerror) from error
    click.echo(f"Wrote {len(raw)} bytes to {clean(output)}", err=True)


def _print_step(step: "StepView") -> None:
    print_fields(
        (
            ("Step", name_of(step)),
            ("Status", step.status),
            ("Attempts", step.attempts),
            ("Started", when(step.started_ms)),
            ("Finished", when(step.finished_ms)),
            ("Until", when(step.until_ms)),
            ("Event", step.event_type),
            ("Matching", json.dumps(step.match) if step.match else ""),
            ("Child", step.child),
            ("Error", step.error),
        )
    )
    if step.attempts_made:
        click.echo()
        print_table(
            ("ATTEMPT", "OUTCOME", "STARTED", "FINISHED", "NEXT AT", "ERROR"),
            (
                (
                    tried.number,
                    tried.outcome,
                    when(tried.started_ms),
                    when(tried.finished_ms),
                    when(tried.retry_at_ms),
                    tried.error or "",
                )
                for tried in step.attempts_made
            ),
        )
    _print_output(step)


def _print_attempt(step: "StepView", tried: "AttemptView") -> None:
    print_fields(
        (
            ("Step", name_of(step)),
            ("Attempt", tried.number),
            ("Outcome", tried.outcome),
            ("Started", when(tried.started_ms)),
            ("Finished", when(tried.finished_ms)),
            ("Next at", when(tried.retry_at_ms)),
            ("Error", tried.error),
        )
    )
    if tried.outcome == "succeeded":
        _print_output(step)


def _print_output(step: "StepView") -> None:
    """What it returned: JSON in ASCII, which cannot steer a terminal."""
    if step.output is None:
        return
    text = json.dumps(step.output, indent=2)
    click.echo()
    if len(text) > SCREEN_BYTES_MAX:
        size = f"{len(text)} bytes"
        click.echo(f"The output of {size} is too long for a screen: --output FILE", err=True)
    else:
        click.echo(text)
