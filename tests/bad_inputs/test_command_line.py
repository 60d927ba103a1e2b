"""What the command line says to bad input: C1 to C10, each with the words typed and the exit code.

The commands run as they are, on an embedded broker with a few events; nothing is faked.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

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


TAKE_AN_ID = (
    "explain",
    "instances describe",
    "instances describe --watch",
    "instances step --step x",
    "instances send-event --type t",
    "instances pause",
    "instances resume",
    "instances cancel",
    "instances terminate",
    "instances restart",
    "instances delete --yes",
    "instances export",
)
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
    row("C7 an id that has a meaning", "trigger order --id latest", USAGE, "newest"),
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
    row("C8 the port speaks HTTP", "instances list --bootstrap {http}", UNREACHABLE, "{http}"),
    row(
        "C8 the port says nothing",
        "instances list --bootstrap {silent} --timeout 1",
        UNREACHABLE,
        "--timeout",
        "stepwell doctor",
    ),
    row(
        "C8 TLS where there is none",
        "instances list --set kafka.security_protocol=SSL",
        UNREACHABLE,
        "stepwell doctor",
    ),
    *(
        row(f"C7 a strange id, {words}", words, USAGE, r"'a\x1b[31mb\n'", last="a\x1b[31mb\n")
        for words in TAKE_AN_ID
    ),
    *(
        row(
            f"C7 latest of none, {words}",
            f"{words} --workflow nobody",
            NOT_FOUND,
            "latest",
            last="latest",
        )
        for words in TAKE_AN_ID
    ),
    row("C7 an id of two workflows", "instances describe twin", USAGE, "again, order"),
    row("C7 a bulk of nobody", "instances delete --all --workflow nobody --yes", OK, "nothing was"),
    row("C10 a bulk, not said yes", "instances delete --all", OK, "this was a dry run"),
    row("C10 others than expected", "instances delete --all --yes --expected 99", REFUSED, "99"),
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
        for workflow, instance_id in (("order", "x"), ("order", "twin"), ("again", "twin")):
            await typed(("trigger", workflow, "--id", instance_id), broker.address)
        yield broker.address


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def others() -> AsyncIterator[dict[str, str]]:
    """What else may listen where a broker should: a web server, and one that says nothing."""
    held: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    servers = {
        "http": await asyncio.start_server(answer, "127.0.0.1", 0),
        "silent": await asyncio.start_server(hold, "127.0.0.1", 0),
    }
    yield {
        name: f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for name, server in servers.items()
    }
    for writer in held:
        writer.close()
    for server in servers.values():
        server.close()


async def typed(words: tuple[str, ...], bootstrap: str, stdin: str = "") -> Result:
    """What the command line does; it has a loop of its own."""
    environ = {"STEPWELL_KAFKA_BOOTSTRAP": bootstrap, "STEPWELL_KAFKA_PARTITIONS": "1"}
    return await asyncio.to_thread(CliRunner().invoke, cli, words, input=stdin, env=environ)


@pytest.mark.parametrize("row", ROWS)
async def test_the_command_line_answers_as_the_table_says(
    row: Row, bootstrap: str, others: dict[str, str]
) -> None:
    result = await typed(tuple(_placed(word, others) for word in row.words), bootstrap, row.typed)
    assert result.exit_code == row.code, result.output
    for text in row.says:
        assert _placed(text, others) in result.output
    assert "\x1b" not in result.output
    assert "Traceback" not in result.output


def _placed(text: str, others: dict[str, str]) -> str:
    for name, address in others.items():
        text = text.replace(f"{{{name}}}", address)
    return text


async def test_every_kind_of_bad_words_is_here_or_named() -> None:
    here = {str(row.id).split()[0] for row in ROWS}
    assert here | ELSEWHERE.keys() == {f"C{number}" for number in range(1, 11)} | {
        f"G{number}" for number in range(1, 11)
    }
    for places in ELSEWHERE.values():
        for place in places:
            file, _, test = place.partition("::")
            assert f"def {test}(" in (TESTS / file).read_text(), place


TESTS = Path(__file__).parents[1]
_EVERY = "cli/test_every_command.py"
_STORED = "runtime/test_attempts.py"
_NAMES = "runtime/test_registry.py"
_WRONG = "settings/test_wrong_settings.py"
ELSEWHERE = {
    "C9": (
        f"{_EVERY}::test_c9_a_closed_pipe_ends_it_quietly",
        "cli/test_terminal.py::test_no_colours_where_none_are_wanted",
        "cli/test_terminal.py::test_nobody_is_asked_where_nobody_can_answer",
    ),
    "G1": (f"{_WRONG}::test_a_wrong_file_is_refused_with_its_line",),
    "G2": (
        f"{_WRONG}::test_a_host_that_others_can_reach_needs_a_token",
        "gateway/test_configuration.py::test_a_port_in_use_is_named",
    ),
    "G3": (
        "settings/test_secrets.py::test_an_empty_secret_is_refused",
        "settings/test_secrets.py::test_one_newline_at_the_end_of_a_file_is_not_part_of_a_secret",
        "settings/test_secrets.py::test_a_weak_secret_is_allowed_with_a_warning_that_does_not_show_it",
    ),
    "G4": (f"{_EVERY}::test_wrong_settings_are_refused_before_anything_is_asked",),
    "G5": (f"{_WRONG}::test_a_wrong_value_is_refused_with_what_is_allowed",),
    "G6": (
        f"{_NAMES}::test_a_second_workflow_of_a_name_is_refused_and_that_of_the_schedules_is_taken",
    ),
    "G7": (
        f"{_EVERY}::test_g7_a_file_that_cannot_be_read_is_named",
        f"{_WRONG}::test_a_loop_of_links_is_refused",
    ),
    "G8": ("index/test_sqlite_files.py::test_another_dimension_or_collection_is_not_opened",),
    "G9": ("engine/test_steps.py::test_steps_of_one_name_are_numbered_in_call_order",),
    "G10": (
        "runtime/test_attempts.py::test_a_result_that_cannot_be_stored_fails_the_step_naming_it",
    ),
}
"""Kinds of bad input that need no words of their own here, and the tests that hold them."""
