"""`stepwell publish`: lines to events."""

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import click

from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    asking_options,
    pass_invocation,
)
from stepwell.streams.cli.output import clean

if TYPE_CHECKING:
    from rich.progress import Progress

    from stepwell.schemas.event_lines import LineFormat
    from stepwell.streams.views import LineRefused, Published


@click.command()
@click.argument("source", type=click.File("rb"), default="-", metavar="[FILE]")
@click.option("--type", "type_", metavar="TYPE", help="Lines are data only, of such events.")
@click.option("--source", "origin", metavar="URI", help="With --type: where events come from.")
@click.option("--subject", metavar="TEXT", help="With --type: the subject of all events.")
@click.option(
    "--id-field", metavar="FIELD", help="With --type: where the data has the id of the event."
)
@click.option("--key", metavar="FIELD", help="Where the data has the subject, which is the key.")
@click.option("--header", "headers", metavar="NAME=VALUE", multiple=True, help="For each record.")
@asking_options
@pass_invocation
def publish(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    source: BinaryIO,
    type_: str | None,
    origin: str | None,
    subject: str | None,
    id_field: str | None,
    key: str | None,
    headers: tuple[str, ...],
) -> None:
    """Publish each line of FILE, or of standard input, as an event.

    A line is a CloudEvent in structured JSON or, with --type, the data of one. A FIELD is the name
    of a member of the data, or a JSON pointer. Ids are made up without --id-field: with it, to
    publish the same again starts nothing twice.

    Lines that are no events are reported by their number and left out, and the exit code is 1. With
    --json each event is a line on stdout that says where it lies.
    """
    from stepwell.schemas.event_lines import DEFAULT_SOURCE, LineFormat

    if type_ is None and (origin or subject or id_field):
        raise click.UsageError("--source, --subject and --id-field need --type")
    if subject and key:
        raise click.UsageError("--subject or --key, not both")
    line_format = LineFormat(
        type=type_,
        source=origin or DEFAULT_SOURCE,
        subject=subject,
        id_field=id_field,
        key=key,
        headers=tuple(map(_header, headers)),
    )
    with _bar() as bar:
        _publish(invocation, source, line_format, _Tally(bar, json=invocation.json))


def _publish(
    invocation: Invocation, source: BinaryIO, line_format: "LineFormat", tally: "_Tally"
) -> None:
    settings = invocation.settings()
    try:
        invocation.run(invocation.app().publish(settings, source, line_format, tally.take))
    except KeyboardInterrupt:
        tally.say(f"Interrupted: {tally.summary}. The last line published is {tally.last_line}.")
        raise
    except BaseException:
        tally.say(f"Stopped: {tally.summary}.")
        raise
    tally.say(f"Done: {tally.summary}.")
    if tally.refused:
        click.get_current_context().exit(ExitCode.FAILED)


@dataclass(slots=True)
class _Tally:
    """Prints what became of lines, and counts them."""

    bar: "Progress"
    json: bool
    published: int = 0
    refused: int = 0
    last_line: int = 0
    task: int = field(init=False)

    def __post_init__(self) -> None:
        self.task = self.bar.add_task("publish", total=None, refused=0)

    @property
    def summary(self) -> str:
        events = "1 event" if self.published == 1 else f"{self.published} events"
        lines = "1 line" if self.refused == 1 else f"{self.refused} lines"
        return f"{events} published, {lines} refused"

    def take(self, outcome: "Published | LineRefused") -> None:
        from stepwell.streams.views import LineRefused

        if isinstance(outcome, LineRefused):
            self.refused += 1
            self.say(f"line {outcome.line}: {outcome.reason}")
        else:
            self.published += 1
            self.last_line = max(self.last_line, outcome.line)
            if self.json:
                self._print(outcome)
        self.bar.update(self.task, completed=self.published, refused=self.refused)  # type: ignore[arg-type]

    def say(self, line: str) -> None:
        """A line on stderr, above the bar."""
        self.bar.console.print(clean(line), markup=False, highlight=False, soft_wrap=True)

    def _print(self, outcome: "Published") -> None:
        import orjson

        document = {
            "line": outcome.line,
            "position": outcome.position,
            "id": outcome.event_id,
            "subject": outcome.subject,
        }
        try:
            click.echo(orjson.dumps(document))
        except BrokenPipeError:
            self.json = False  # what is under way is counted all the same
            raise


def _bar() -> "Progress":
    """Progress on stderr, if somebody looks."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.completed} published, {task.fields[refused]} refused"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{text!r} should be NAME=VALUE", param_hint="--header")
    if name.lower().startswith(("ce_", "content-type")):
        hint = f"{name} is an attribute of the event: it is in the line"
        raise click.BadParameter(hint, param_hint="--header")
    return name, value
