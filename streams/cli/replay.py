"""`stepwell replay`: what the log holds, once more. A dry run unless it is told to `--execute`."""

import csv
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from stepwell.streams.cli.confirming import confirmed, yes_option
from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    asking_options,
    pass_invocation,
    setting_flag,
)
from stepwell.streams.cli.output import print_json
from stepwell.streams.cli.replay_tables import Bar, print_plan, print_result
from stepwell.streams.replay.asking import (
    COLUMNS,
    IN_FLIGHT_MAX,
    Mode,
    Origin,
    Pace,
    Request,
    Start,
    Until,
    back_from,
    parse_duration_ms,
    parse_filters,
    parse_scope,
    parse_time,
    read_offsets,
    zone_of,
)

if TYPE_CHECKING:
    from stepwell.streams.replay.plan import Plan, Progress

Function = TypeVar("Function", bound=Callable[..., object])

STARTS, UNTILS, ZONE = "replay.starts", "replay.untils", "replay.zone"
"""What the options leave in the context of the call."""
STARTS_CHOICE = (
    "--from-offset, --to-datetime, --by-duration, --shift-by, --to-earliest or --from-file"
)


def _begins(make: Callable[..., Start]) -> Callable[..., None]:
    """The callback of an option that says where to begin; `make` gets the time zone too."""

    def note(context: click.Context, _: click.Parameter, value: object) -> None:
        if value is not None and value is not False:
            context.meta.setdefault(STARTS, []).append(make(context.meta.get(ZONE), value))

    return note


def _note_zone(context: click.Context, _: click.Parameter, value: str | None) -> None:
    context.meta[ZONE] = value
    if value is not None:
        zone_of(value)


def _note_until(context: click.Context, _: click.Parameter, value: str | int | None) -> None:
    if isinstance(value, str):
        value = parse_time(value, context.meta.get(ZONE))
        context.meta.setdefault(UNTILS, []).append(Until(time_ms=value))
    elif value is not None:
        context.meta.setdefault(UNTILS, []).append(Until(offset=value))


def _ago(_zone: str | None, duration: object) -> Start:
    now_ms = time.time_ns() // 1_000_000
    return Start(Origin.TIME, back_from(now_ms, parse_duration_ms(str(duration))))


def _option(
    name: str, callback: Callable[..., None], help_text: str, **more: Any
) -> Callable[[Function], Function]:
    return click.option(name, callback=callback, help=help_text, expose_value=False, **more)


def where_options(function: Function) -> Function:
    """From where to where, and of what."""
    for option in (
        click.option("--filter", "filters", multiple=True, metavar="NAME=PATTERN", help=_FILTER),
        click.option("--workflow", metavar="NAME", help="Only instances of this workflow."),
        _option("--tz", _note_zone, "The zone of times that name none.", is_eager=True),
        _option("--until-datetime", _note_until, "End before this time.", metavar="TIME"),
        _option("--until-offset", _note_until, "End before this offset; default: now.", type=int),
        click.option("--topic", "topics", multiple=True, metavar="TOPIC[:0,1]", help=_TOPIC),
        _option(
            "--from-file",
            _begins(lambda _, file: Start(Origin.FILE, offsets=read_offsets(file))),
            "Begin at the rows topic,partition,offset of a file.",
            type=click.File("r"),
        ),
        _option(
            "--to-earliest",
            _begins(lambda *_: Start(Origin.EARLIEST)),
            "Begin at the first record.",
            is_flag=True,
        ),
        _option(
            "--shift-by",
            _begins(lambda _, count: Start(Origin.SHIFT, count)),
            "Begin so many records from where the workers are.",
            type=int,
        ),
        _option("--by-duration", _begins(_ago), "Begin so long ago.", metavar="PnDTnHnMnS"),
        _option(
            "--to-datetime",
            _begins(lambda zone, text: Start(Origin.TIME, parse_time(str(text), zone))),
            "Begin at this time.",
            metavar="TIME",
        ),
        _option(
            "--from-offset",
            _begins(lambda _, offset: Start(Origin.OFFSET, offset)),
            "Begin at this offset.",
            type=int,
        ),
    ):
        function = option(function)
    return function


_FILTER = "type, subject or source of the event; * is a wildcard. Each once."
_TOPIC = "Default: the topic of events. The journal's has instances that no event started."


def how_options(function: Function) -> Function:
    """What is done, and how fast."""
    modes = click.Choice([mode.value for mode in Mode])
    for option in (
        yes_option,
        click.option("--resume", "resume_id", metavar="ID", help="Go on with what was begun."),
        click.option("--export", type=click.File("w"), help="Write what --from-file reads."),
        click.option("--wait", is_flag=True, help="Until the started instances have ended."),
        click.option(
            "--max-in-flight",
            type=click.IntRange(0),
            default=IN_FLIGHT_MAX,
            show_default=True,
            help="Instances that were started and have not ended; 0: any number.",
        ),
        click.option("--rate", type=click.FloatRange(0, min_open=True), help="Instances a second."),
        click.option(
            "--tolerance",
            type=click.FloatRange(0),
            default=0.0,
            help="verify: so far apart may numbers of a vector be; default: bit by bit.",
        ),
        click.option(
            "--skip",
            multiple=True,
            metavar="STEP",
            help="verify: do not run the bodies of these steps; * is a wildcard.",
        ),
        click.option("--execute", is_flag=True, help="Do it; otherwise only the plan is shown."),
        click.option("--mode", type=modes, default=Mode.RERUN.value, show_default=True),
    ):
        function = option(function)
    return function


@click.command()
@where_options
@how_options
@setting_flag("--workflows", "worker.workflows", "module:function, or module:WorkflowClass")
@asking_options
@pass_invocation
def replay(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    topics: tuple[str, ...],
    workflow: str | None,
    filters: tuple[str, ...],
    mode: str,
    execute: bool,
    skip: tuple[str, ...],
    tolerance: float,
    rate: float | None,
    max_in_flight: int,
    wait: bool,
    export: TextIO | None,
    resume_id: str | None,
    yes: bool,
) -> None:
    """Replay what lies in the log: in words of kafka-consumer-groups, and as a dry run at first.

    rerun starts new instances for the records, linked to the old ones. resume lets errored
    instances go on from the step that failed. verify computes completed instances again: it runs
    the bodies of their steps, holds writes to the index back, changes nothing, prints what is not
    the same, and then ends with 1.

    Workers and what happens meanwhile are not touched: no offset of theirs is moved. The end is
    frozen when it begins: later records are not replayed.
    """
    settings, app, plan = invocation.settings(), invocation.app(), None
    if resume_id is not None:
        _check_nothing_given()
        plan = invocation.run(app.plan_again(settings, resume_id))
        execute = True
    else:
        request = Request(
            start=_given_start(),
            mode=Mode(mode),
            until=_given_until(),
            scopes=tuple(parse_scope(text) for text in topics),
            workflow=workflow,
            filters=parse_filters(filters),
            execute=execute,
            skip=skip,
            tolerance=tolerance,
        )
        plan = invocation.run(app.plan_replay(settings, request))
    if export is not None:
        _export(plan, export)
    if not execute:
        _show_plan(invocation, plan)
        return
    _execute(invocation, plan, Pace(rate, max_in_flight), wait=wait, yes=yes)


def _execute(invocation: Invocation, plan: "Plan", pace: Pace, *, wait: bool, yes: bool) -> None:
    if not invocation.json:
        print_plan(plan)
    if plan.ticket.mode is not Mode.VERIFY:
        what = "Start" if plan.ticket.mode is Mode.RERUN else "Resume"
        confirmed(f"{what} {plan.instances} instances?", yes=yes)
    settings, app, ticket = invocation.settings(warn=False), invocation.app(), plan.ticket
    with Bar(plan) as bar:
        try:
            result = invocation.run(
                app.execute_replay(settings, ticket, pace, wait=wait, report=bar.show)
            )
        except KeyboardInterrupt:
            bar.stop()
            _say_interrupted(plan, bar.last)
            click.get_current_context().exit(ExitCode.INTERRUPTED)
    if invocation.json:
        print_json(result)
    else:
        print_result(result)
    if result.differs:
        click.get_current_context().exit(ExitCode.FAILED)


def _given_start() -> Start:
    starts: list[Start] = click.get_current_context().meta.get(STARTS, [])
    if len(starts) != 1:
        what = "Say where to begin" if not starts else "Say only once where to begin"
        raise click.UsageError(f"{what}: {STARTS_CHOICE}.")
    return starts[0]


def _given_until() -> Until:
    untils: list[Until] = click.get_current_context().meta.get(UNTILS, [])
    if len(untils) > 1:
        raise click.UsageError("Say only once where to end: --until-offset or --until-datetime.")
    return untils[0] if untils else Until()


def _check_nothing_given() -> None:
    meta = click.get_current_context().meta
    if meta.get(STARTS) or meta.get(UNTILS):
        raise click.UsageError("A replay that goes on keeps its range: say --resume ID alone.")


def _export(plan: "Plan", file: TextIO) -> None:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows((each.topic, each.partition, each.first) for each in plan.ranges)
    file.flush()


def _show_plan(invocation: Invocation, plan: "Plan") -> None:
    if invocation.json:
        print_json(plan)
        return
    print_plan(plan)
    click.echo("Nothing was done: this was a dry run. Add --execute to do it.", err=True)


def _say_interrupted(plan: "Plan", last: "Progress | None") -> None:
    done, ticket = last.done if last else 0, plan.ticket
    if ticket.mode is Mode.VERIFY:
        click.echo(f"Interrupted: {done} of {plan.instances} were computed again.", err=True)
        return
    click.echo(
        f"Interrupted: {done} of {plan.instances} instances were started, and run on.\n"
        f"Go on: stepwell replay --resume {ticket.id}",
        err=True,
    )
