"""`stepwell dlq`: records that could not be processed, and what is to become of them."""

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stepwell.schemas.dead_letters import PREFIX, LetterId
from stepwell.streams.cli.confirming import confirmed, yes_option
from stepwell.streams.cli.invocation import (
    ExitCode,
    Function,
    Invocation,
    asking_options,
    pass_invocation,
)
from stepwell.streams.cli.output import clean, print_fields, print_json, print_table, when
from stepwell.streams.cli.times import Moment
from stepwell.streams.views import LetterOutcome, LetterQuery

if TYPE_CHECKING:
    from stepwell.streams.settings import Settings
    from stepwell.streams.views import LetterContent, LetterView, Preview

    Report = Callable[[LetterOutcome], None]
    Resolve = Callable[
        [Settings, Sequence[LetterId], Report, str], Coroutine[None, None, list[LetterOutcome]]
    ]

LIMIT_MAX = 100_000
MESSAGE_LENGTH = 100


class LetterName(click.ParamType):
    """`PARTITION:OFFSET`, as the list shows it."""

    name = "partition:offset"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> LetterId:
        """Parse it."""
        try:
            return value if isinstance(value, LetterId) else LetterId.parse(str(value))
        except ValueError as error:
            self.fail(clean(error), param, ctx)


def query_options(function: Function) -> Function:
    """Which letters are meant."""
    for option in (
        click.option("--since", metavar="TIME|90m|7d", type=Moment(), help="Failed since then."),
        click.option("--topic", metavar="NAME", help="Only records of this topic."),
        click.option("--reason", metavar="REASON", help="Only those with this reason."),
    ):
        function = option(function)
    return function


@click.group()
def dlq() -> None:
    """Look at dead letters: records that could not be processed. Retry or discard them."""


@dlq.command("list")
@query_options
@click.option("--all", "resolved_too", is_flag=True, help="Retried and discarded ones too.")
@click.option("--limit", type=click.IntRange(1, LIMIT_MAX), default=100, show_default=True)
@asking_options
@pass_invocation
def list_(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    reason: str | None,
    topic: str | None,
    since: int | None,
    resolved_too: bool,
    limit: int,
) -> None:
    """List dead letters, newest first."""
    settings = invocation.settings()
    query = LetterQuery(reason, topic, since, resolved_too=resolved_too)
    found = invocation.run(invocation.app().list_dead_letters(settings, query, limit))
    if invocation.json:
        print_json(found)
    elif found:
        print_table(
            ("LETTER", "FAILED", "STATE", "STAGE", "REASON", "ATTEMPTS", "FROM", "KEY", "MESSAGE"),
            (_row(letter) for letter in found),
        )
    else:
        click.echo("No such dead letters.", err=True)


@dlq.command()
@click.argument("letter", type=LetterName())
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Raw bytes to it.")
@click.option(
    "--part", type=click.Choice(["value", "key"]), default="value", help="Of what --output writes."
)
@asking_options
@pass_invocation
def show(invocation: Invocation, *, letter: LetterId, output: Path | None, part: str) -> None:
    """Show one dead letter, with its headers and the beginning of its contents."""
    settings = invocation.settings()
    found = invocation.run(invocation.app().show_dead_letter(settings, letter))
    if output is not None:
        raw = (found.raw_key if part == "key" else found.raw_value) or b""
        try:
            output.write_bytes(raw)
        except OSError as error:
            raise click.FileError(str(output), hint=error.strerror) from error
        click.echo(f"Wrote {len(raw)} bytes to {clean(output)}", err=True)
    elif invocation.json:
        print_json(found)
    else:
        _print_content(found)


def resolve_options(function: Function) -> Function:
    """What retrying and discarding take."""
    for option in (
        asking_options,
        yes_option,
        click.option("--note", default="", help="Kept with the mark."),
        query_options,
        click.option("--all", "all_", is_flag=True, help="All open ones that fit."),
        click.argument("letters", type=LetterName(), nargs=-1, metavar="[LETTER]..."),
    ):
        function = option(function)
    return function


@dlq.command()
@resolve_options
@pass_invocation
def retry(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    letters: Sequence[LetterId],
    all_: bool,
    reason: str | None,
    topic: str | None,
    since: int | None,
    note: str,
    yes: bool,
) -> None:
    """Put records back on the topic and partition that they came from.

    Their events keep their ids: what an earlier delivery has started is not started again.
    """
    chosen = _chosen(invocation, letters, LetterQuery(reason, topic, since), all_=all_)
    if chosen and all_:
        confirmed(f"Retry {_count(len(chosen))}?", yes=yes)
    _resolve(invocation, invocation.app().retry_dead_letters, chosen, note)


@dlq.command()
@resolve_options
@pass_invocation
def discard(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    letters: Sequence[LetterId],
    all_: bool,
    reason: str | None,
    topic: str | None,
    since: int | None,
    note: str,
    yes: bool,
) -> None:
    """Mark records as not to be retried; their bytes stay until the retention of the topic."""
    chosen = _chosen(invocation, letters, LetterQuery(reason, topic, since), all_=all_)
    if chosen:
        confirmed(f"Discard {_count(len(chosen))}?", yes=yes)
    _resolve(invocation, invocation.app().discard_dead_letters, chosen, note)


def _chosen(
    invocation: Invocation, letters: Sequence[LetterId], query: LetterQuery, *, all_: bool
) -> Sequence[LetterId]:
    if all_ == bool(letters) or (query != LetterQuery() and not all_):
        raise click.UsageError("Name letters, or say --all (with --reason, --topic, --since).")
    if all_:
        found = invocation.app().list_dead_letters(invocation.settings(), query, None)
        letters = [LetterId.parse(each.letter) for each in invocation.run(found)]
        if not letters:
            click.echo("No such dead letters.", err=True)
    return letters


def _resolve(
    invocation: Invocation, resolve: "Resolve", letters: Sequence[LetterId], note: str
) -> None:
    done: list[LetterOutcome] = []

    def report(outcome: LetterOutcome) -> None:
        done.append(outcome)
        if not invocation.json:
            click.echo(f"{outcome.letter} {clean(outcome.detail)}", err=not outcome.done)

    try:
        if letters:
            invocation.run(resolve(invocation.settings(warn=False), letters, report, note))
    except KeyboardInterrupt:
        handled = sum(outcome.done for outcome in done)
        left = _count(len(letters) - len(done))
        click.echo(f"\nInterrupted: {handled} done, {left} not begun or under way.", err=True)
        raise
    if invocation.json:
        print_json(done)
    _exit_for(done)


def _exit_for(outcomes: Sequence[LetterOutcome]) -> None:
    codes = {outcome.code for outcome in outcomes if not outcome.done}
    if codes == {"dead_letter.not_found"}:
        click.get_current_context().exit(ExitCode.NOT_FOUND)
    if codes:
        click.get_current_context().exit(ExitCode.REFUSED)


def _row(letter: "LetterView") -> tuple[object, ...]:
    message = f"{letter.exception}: {letter.message}" if letter.exception else letter.message
    if len(message) > MESSAGE_LENGTH:
        message = f"{message[: MESSAGE_LENGTH - 1]}…"
    return (
        letter.letter,
        when(letter.failed_ms),
        letter.state,
        letter.stage,
        letter.reason,
        letter.attempts,
        f"{letter.topic} {letter.partition}:{letter.offset}",
        letter.key,
        message,
    )


def _print_content(found: "LetterContent") -> None:
    letter = found.letter
    resolved = letter.resolved_ms and f"{letter.state} {when(letter.resolved_ms)}"
    print_fields(
        (
            ("Letter", letter.letter),
            ("State", resolved or letter.state),
            ("Retried as", letter.retried_as and f"{letter.topic} {letter.retried_as}"),
            ("Note", letter.note),
            ("From", f"{letter.topic} {letter.partition}:{letter.offset}"),
            ("Stage", letter.stage),
            ("Reason", letter.reason),
            ("Exception", letter.exception),
            ("Message", letter.message),
            ("Workflow", letter.workflow),
            ("Instance", letter.instance),
            ("Failed", when(letter.failed_ms)),
            ("Attempts", letter.attempts),
            ("First failed", when(letter.first_failed_ms)),
            ("First reason", letter.first_reason),
            ("Version", letter.app_version),
            ("Key", _preview(found.key)),
        )
    )
    theirs = [pair for pair in found.headers if not pair[0].startswith(PREFIX)]
    if theirs:
        click.echo("\nHeaders")
    for name, value in theirs:
        click.echo(f"  {clean(name)}: {clean(value)}")
    click.echo(f"\nValue\n  {_preview(found.value) or 'none'}")
    if letter.whole_bytes is not None:
        click.echo(f"  cut: the record had {letter.whole_bytes} bytes")


def _preview(shown: "Preview | None") -> str:
    if shown is None:
        return ""
    more = "" if shown.is_whole else f" … of {shown.total_bytes} bytes, see --output"
    kind = "" if shown.encoding == "text" else f"{shown.encoding}: "
    return f"{kind}{clean(shown.shown)}{more}"


def _count(number: int) -> str:
    return f"{number} dead letter{'' if number == 1 else 's'}"
