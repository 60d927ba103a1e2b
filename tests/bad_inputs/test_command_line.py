"""What the command line says to bad input: C1 to C10, each with the words typed and the exit code.

The commands run as they are, on an embedded broker with a few events; nothing is faked.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from stepwell.schemas.cloudevents import encode
from stepwell.schemas.events import CloudEvent
from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.cli.root import cli
from stepwell.streams.kafka.publisher import EventPublisher
from stepwell.streams.operator.queries import ensure_topics
from stepwell.streams.settings_load import load_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

OK, FAILED, USAGE, NOT_FOUND, REFUSED, UNREACHABLE = range(6)


@dataclass(frozen=True)
class Row:
    """Words after `stepwell`, and what comes of them."""

    id: str
    words: tuple[str, ...]
    code: int
    says: tuple[str, ...] = ()
    typed: str = ""
    """Standard input, which then ends."""


def row(id_: str, words: str, code: int, *says: str, last: str | None = None, typed: str = ""):
    """`last` is a word that holds spaces, or nothing."""
    given = (*words.split(), *([] if last is None else [last]))
    return pytest.param(Row(id_, given, code, says, typed), id=id_)


ROWS = [
    row("C1 yesterday", "replay --to-datetime yesterday", USAGE, "2026-01-31T10:00:00Z"),
    row("C1 a naive time", "replay --to-datetime 2026-01-31T10:00:00", USAGE, "--tz"),
    row(
        "C1 no such day", "replay --to-datetime 2026-02-30T10:00:00Z", USAGE, "2026-01-31T10:00:00Z"
    ),
    row(
        "C1 an hour that was left out",
        "replay --tz Europe/Berlin --to-datetime 2026-03-29T02:30:00",
        USAGE,
        "Europe/Berlin",
    ),
    row(
        "C1 an hour that came twice",
        "replay --tz Europe/Berlin --to-datetime 2026-10-25T02:30:00",
        USAGE,
        "Europe/Berlin",
    ),
    row("C1 no zone", "replay --tz Mars/North --to-datetime 2026-01-31T10:00:00Z", USAGE, "Mars"),
    row("C1 no duration", "replay --by-duration tomorrow", USAGE, "P1DT2H30M"),
    row(
        "C2 two beginnings",
        "replay --to-earliest --from-offset 1",
        USAGE,
        "--shift-by",
        "--from-file",
    ),
    row("C2 no beginning", "replay", USAGE, "--shift-by", "--from-file"),
    row(
        "C2 two ends",
        "replay --to-earliest --until-offset 1 --until-datetime 2026-01-31T10:00:00Z",
        USAGE,
        "--until-offset",
    ),
    *(
        row(f"C3 {start}, {kind}", f"replay {start} {options}", code, says)
        for start, says in (
            ("--shift-by -999999999", "is below the earliest, 0"),
            ("--from-offset -5", "offset -5, is below the earliest, 0"),
            ("--from-offset 999", "offset 999, is past the end, 3"),
        )
        for kind, options, code in (("shown", "", OK), ("done", "--execute --yes", REFUSED))
    ),
    row("C3 no number", "replay --from-offset x", USAGE, "integer"),
    row("C4 partition 99", "replay --to-earliest --topic stepwell.events:99", NOT_FOUND, "99"),
    row(
        "C4 no such topic",
        "replay --to-earliest --topic stepwell.event",
        NOT_FOUND,
        "stepwell.events",
    ),
    row("C4 a glob", "replay --to-earliest --topic stepwell.*", NOT_FOUND, "stepwell.events"),
    # Better than 4: the workers' group is never moved, so it may be as active as it likes.
    row("C5 while workers run", "replay --to-earliest", OK, "this was a dry run"),
    row("C6 broken JSON", "trigger order --params", USAGE, "  {bad\n   ^\n", last="{bad"),
    row("C6 a file that is missing", "trigger order --params @missing.json", USAGE, "- < FILE"),
    row("C6 nothing on stdin", "trigger order --params -", USAGE, "--params"),
    row("C7 an id with a slash", "trigger order --id a/b", USAGE, "'a/b'"),
    row("C7 an id with a newline", "trigger order --id", USAGE, r"'a\nb'", last="a\nb"),
    row("C7 an id of 10 kB", "trigger order --id", USAGE, "100", last="i" * 10_000),
    row("C7 an id that looks like an option", "trigger order --id -x", USAGE, "-x"),
    row("C7 nobody of that id", "instances describe a/b", NOT_FOUND, "a/b"),
    row("C7 a strange id", "instances describe", USAGE, r"'a\x1b[31mb\n'", last="a\x1b[31mb\n"),
    row("C7 latest of none", "instances describe latest --workflow nobody", NOT_FOUND, "latest"),
    row("C7 no subject", "forget --yes --subject", USAGE, "--subject", last=" "),
    row("C8 nobody listens", "instances list --bootstrap 127.0.0.1:1", UNREACHABLE, "127.0.0.1:1"),
    row(
        "C8 no such host",
        "instances list --bootstrap nobody.invalid:9092",
        UNREACHABLE,
        "nobody.invalid",
    ),
    row("C10 replay, not asked", "replay --to-earliest --execute", REFUSED, "--yes"),
    row("C10 forget, not asked", "forget --subject s", REFUSED, "--yes"),
    row("C10 delete, not asked", "instances delete x", REFUSED, "--yes"),
    row("C10 reindex prune of nothing", "reindex --prune", USAGE, "--source"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A broker with three events, and nobody else."""
    folder = tmp_path_factory.mktemp("broker")
    async with EmbeddedBroker(BrokerConfig(folder)) as broker:
        flags = {"kafka.bootstrap": broker.address, "kafka.partitions": "1"}
        settings = load_settings(flags=flags, environ={}, config=None, directory=folder)
        await ensure_topics(settings)
        publisher = EventPublisher(broker.address, "stepwell.events")
        await publisher.start()
        for number in range(3):
            await publisher.append(
                encode(CloudEvent(f"e{number}", "/shop", "order.placed", "s", {}))
            )
        await publisher.stop()
        await typed(("trigger", "order", "--id", "x"), broker.address)
        yield broker.address


async def typed(words: tuple[str, ...], bootstrap: str, stdin: str = "") -> Result:
    """What the command line does; it has a loop of its own."""
    environ = {"STEPWELL_KAFKA_BOOTSTRAP": bootstrap, "STEPWELL_KAFKA_PARTITIONS": "1"}
    return await asyncio.to_thread(CliRunner().invoke, cli, words, input=stdin, env=environ)


@pytest.mark.parametrize("row", ROWS)
async def test_the_command_line_answers_as_the_table_says(row: Row, bootstrap: str) -> None:
    result = await typed(row.words, bootstrap, row.typed)
    assert result.exit_code == row.code, result.output
    for text in row.says:
        assert text in result.output
    assert "\x1b" not in result.output
    assert "Traceback" not in result.output
