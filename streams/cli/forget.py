"""`stepwell forget`: deletes what was made of a subject, and says what stays until when."""

from typing import TYPE_CHECKING

import click

from stepwell.streams.cli.confirming import confirmed, yes_option
from stepwell.streams.cli.invocation import Invocation, asking_options, pass_invocation
from stepwell.streams.cli.output import clean, print_json, print_table, when

if TYPE_CHECKING:
    from stepwell.streams.views import ForgetPlan, Forgotten, Remainder

ELSEWHERE = (
    "Also elsewhere: RocksDB (worker.data_dir) and Weaviate keep deleted bytes until they compact; "
    "stop a worker and delete its folder to be sure, it is made anew. The index keeps the key and "
    "the time of the removal. Files in blobs.dir: `stepwell blobs prune`, once no record "
    "names them. Backups, logs and other consumers are yours."
)


@click.command()
@click.option("--subject", metavar="SUBJECT", required=True, help="Such as github:acme/site#42.")
@click.option("--dry-run", is_flag=True, help="Only show what there is.")
@yes_option
@asking_options
@pass_invocation
def forget(invocation: Invocation, *, subject: str, dry_run: bool, yes: bool) -> None:
    """Delete the instances, the document and the dead letters of SUBJECT.

    Records stay in their topics until the retention of these: the answer lists them. An event about
    SUBJECT that comes later starts anew.
    """
    if not subject.strip():
        raise click.BadParameter("a subject is not empty", param_hint="--subject")
    settings, app = invocation.settings(), invocation.app()
    if dry_run or not yes:
        plan = invocation.run(app.plan_forgetting(settings, subject))
        if dry_run and invocation.json:
            print_json(plan)
            return
        _print_plan(plan, err=not dry_run)
        if dry_run:
            return
        confirmed(f"Delete all this of {clean(subject)}? It cannot be undone.", yes=yes)
    done: list[str] = []

    def report(part: str) -> None:
        done.append(part)
        click.echo(clean(part), err=True)

    try:
        forgotten = invocation.run(app.forget_subject(settings, subject, report))
    except KeyboardInterrupt:
        so_far = ", ".join(done) or "nothing was finished"
        click.echo(f"\nInterrupted: {so_far}. Ask again for the rest.", err=True)
        raise
    if invocation.json:
        print_json(forgotten)
    else:
        _print_forgotten(forgotten)


def _print_plan(plan: "ForgetPlan", *, err: bool) -> None:
    lines = [
        *(f"instance {name}" for name in plan.instances),
        *(f"dead letter {name}" for name in plan.letters),
        f"document {plan.subject}, if the index has it",
    ]
    for line in lines:
        click.echo(clean(line), err=err)
    if not err:
        click.echo()
        _print_remains(plan.remains)
    _say_touched(plan.touched)


def _print_forgotten(forgotten: "Forgotten") -> None:
    click.echo(f"Deleted {len(forgotten.deleted)} instances of {clean(forgotten.subject)}")
    for collection, status in forgotten.documents.items():
        click.echo(f"Document in {clean(collection)}: {_DOCUMENT.get(status, status)}")
    click.echo(f"Discarded {len(forgotten.discarded)} dead letters\n")
    _print_remains(forgotten.remains)
    if not forgotten.rows_deleted:
        click.echo(
            "Rows of instances are still there: a worker deletes them when it runs.", err=True
        )
    _say_touched(forgotten.touched)
    click.echo(ELSEWHERE, err=True)


_DOCUMENT = {
    "stored": "removed, and older versions cannot come back",
    "unscrubbed": "removed, but its bytes are in the file still: ask again",
    "stale": "kept: it has a version from the future, ask again later",
}


def _print_remains(remains: "tuple[Remainder, ...]") -> None:
    if not remains:
        click.echo("No topic holds records of it.")
        return
    print_table(
        ("STILL IN TOPIC", "PARTITION", "OFFSETS", "RECORDS", "UNTIL"),
        (
            (
                each.topic,
                each.partition,
                f"{each.first_offset}-{each.last_offset}",
                each.records,
                _until(each),
            )
            for each in remains
        ),
    )


def _until(remainder: "Remainder") -> str:
    if remainder.compacted:
        return "compaction"
    return "for ever" if remainder.until_ms is None else when(remainder.until_ms)


def _say_touched(touched: "tuple[str, ...]") -> None:
    for name in touched:
        click.echo(f"Not deleted: {clean(name)} got an event about it, but is not of it.", err=True)
