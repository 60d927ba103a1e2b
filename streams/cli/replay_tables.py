"""How a replay is shown: its plan, how far it is, what came of it."""

import sys
from typing import TYPE_CHECKING, Self

import click

from stepwell.streams.cli.output import print_fields, print_table, when
from stepwell.streams.replay.asking import Mode

if TYPE_CHECKING:
    from stepwell.streams.replay.plan import Plan, Progress, Result

SHOWN_MAX = 50
"""So many differences are printed; `--json` has all of them."""


def print_plan(plan: "Plan") -> None:
    """What a replay would do: its ranges, then what they come to."""
    print_table(
        ("TOPIC", "PARTITION", "FIRST", "LAST", "RECORDS", "MATCHED", "FROM", "TO"),
        (
            (
                each.topic,
                each.partition,
                each.first,
                each.last if each.last >= each.first else "-",
                each.records,
                each.matched,
                when(each.first_ms),
                when(each.last_ms),
            )
            for each in plan.ranges
        ),
    )
    for each in plan.ranges:
        if each.note:
            click.echo(f"Note: {each.note}", err=True)
    mode = plan.ticket.mode
    click.echo()
    print_fields(
        (
            ("Mode", mode.value),
            ("Records", plan.records),
            ("Instances", plan.instances),
            ("Events", plan.events or None),
            ("Vectors that may change", plan.vectors if mode is Mode.RERUN else None),
            ("Left alone", ", ".join(f"{n} {why}" for why, n in plan.left_alone.items())),
            ("Unreadable", plan.unreadable or None),
            ("Bodies to run", ", ".join(f"{name} ({n})" for name, n in plan.steps.items())),
        )
    )


def print_result(result: "Result") -> None:
    """What a replay did."""
    click.echo()
    if result.mode is Mode.VERIFY:
        verdicts = ("same", "changed", "added", "missing", "skipped")
        print_table(
            ("STEP", *(verdict.upper() for verdict in verdicts)),
            ((name, *(n.get(it, 0) for it in verdicts)) for name, n in result.counts.items()),
        )
        _print_differences(result)
        return
    print_fields(
        (
            ("Replay", result.replay_id),
            ("Started", result.done),
            ("Already done", result.already_done or None),
            ("Ended so far", ", ".join(f"{n} {how}" for how, n in result.outcomes.items())),
        )
    )


def _print_differences(result: "Result") -> None:
    if not result.findings:
        return
    click.echo()
    print_table(
        ("INSTANCE", "STEP", "VERDICT", "RECORDED", "NOW"),
        (
            (
                f"{each.workflow}/{each.instance}",
                f"{each.step}-{each.occurrence}",
                each.verdict.value,
                each.recorded,
                each.found,
            )
            for each in result.findings[:SHOWN_MAX]
        ),
    )
    if (more := len(result.findings) - SHOWN_MAX) > 0:
        click.echo(f"{more} more: --json has all of them.", err=True)


class Bar:
    """How far it is, on stderr, for people; the id is said first, to go on with it."""

    def __init__(self, plan: "Plan") -> None:
        from rich import progress as columns
        from rich.console import Console

        self.last: Progress | None = None
        console = Console(stderr=True, highlight=False)
        console.print(f"Replay {plan.ticket.id}")
        self._progress = columns.Progress(
            columns.TextColumn("{task.completed:,} of {task.total:,} instances"),
            columns.BarColumn(),
            columns.TextColumn("{task.fields[ended]:,} ended, {task.fields[failed]:,} failed"),
            columns.TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("", total=plan.instances, ended=0, failed=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave the line to others."""
        self._progress.stop()

    def show(self, progress: "Progress") -> None:
        """Bring it up to date."""
        self.last = progress
        self._progress.update(
            self._task,
            completed=progress.done,
            total=progress.total,
            ended=progress.ended,
            failed=progress.failed,
        )
