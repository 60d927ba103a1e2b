"""Every command has a test of its output, of its JSON and of bad input: the table says which.

What is wrong with settings (G1 to G8) is found before anything is asked, and what can go wrong for
every command (C8 to C10) ends each of them in the same way. `tests/bad_inputs` has what needs a
broker, `tests/settings` the other wrong values.
"""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import pytest
from click.testing import Result

from stepwell.streams.cli.invocation import Invocation
from stepwell.streams.cli.root import cli
from stepwell.streams.errors import BrokerUnavailable
from tests.cli.command_rows import INTERRUPTED, UNREACHABLE, USAGE, Bad
from tests.cli.command_table import ROWS

ROOT = Path(__file__).parents[2]
WITHOUT_SETTINGS = {"completion", "config reference", "example list", "example show", "example run"}
READ_SETTINGS = [
    name for name, row in ROWS.items() if name not in WITHOUT_SETTINGS and not row.elsewhere
]
RUN_HERE = [name for name, row in ROWS.items() if not row.elsewhere]
ASK = [name for name in RUN_HERE if ROWS[name].asks]


def commands(node: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The words of each command, groups that do something by themselves among them."""
    if not isinstance(node, click.Group) or (path and node.invoke_without_command):
        yield " ".join(path)
    if isinstance(node, click.Group):
        for name, child in node.commands.items():
            yield from commands(child, (*path, name))


def test_every_command_has_a_row():
    assert sorted(ROWS) == sorted(commands())


def test_every_row_says_what_is_printed_and_what_is_wrong():
    for name, row in ROWS.items():
        assert row.bad, f"{name}: no bad input"
        assert row.elsewhere or row.json_has or row.no_json, f"{name}: no JSON, and no reason"


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.elsewhere])
def test_what_is_tested_elsewhere_is_there(name):
    for place in ROWS[name].elsewhere:
        file, _, test = place.partition("::")
        assert f"def {test}(" in (ROOT / file).read_text()


@pytest.fixture
def run(stepwell, tmp_path):
    (tmp_path / "lines.jsonl").write_text("")

    def run(words: str, *more: str, stdin: str | None = None, **environ: str) -> Result:
        return stepwell(*shlex.split(words.format(tmp=tmp_path)), *more, stdin=stdin, **environ)

    return run


@pytest.mark.parametrize("name", RUN_HERE)
def test_it_prints_what_it_should(run, name):
    result = run(ROWS[name].words)
    assert result.exit_code == 0, result.output
    assert ROWS[name].says in result.stdout
    assert "\x1b" not in result.output


@pytest.mark.parametrize("name", [name for name in RUN_HERE if ROWS[name].json_has])
def test_it_prints_json(run, name):
    result = run(ROWS[name].words, "--json")
    assert result.exit_code == 0, result.output
    json.loads(result.stdout)
    assert ROWS[name].json_has in result.stdout
    assert result.stdout.isascii()


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        pytest.param(name, bad, id=f"{bad.words}")
        for name, row in ROWS.items()
        for bad in (*row.bad, Bad(f"{row.words.split(' -')[0]} --no-such-option", USAGE, "--no"))
    ],
)
def test_bad_input_ends_with_its_code_and_says_why(run, app, name, bad):
    result = run(bad.words, stdin=bad.stdin)
    assert result.exit_code == bad.code, result.output
    assert bad.says in result.stderr
    assert result.stdout == "" or bad.prints
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ROWS)
def test_help_says_what_it_does_and_what_its_options_are(run, name):
    shown = run(name, "--help")
    assert shown.exit_code == 0
    assert len(shown.stdout.splitlines()) > 5


WRONG_SETTINGS = {
    "G1 misspelt": (("--set", "gatway.port=1"), {}, "did you mean gateway.port?"),
    "G1 no number": (("--set", "gateway.port=http"), {}, "valid integer"),
    "G2 port 0": (("--set", "gateway.port=0"), {}, "greater than or equal to 1"),
    "G2 port 70000": (("--set", "gateway.port=70000"), {}, "65535"),
    "G2 no token": (("--set", "gateway.host=0.0.0.0"), {}, "STEPWELL_GATEWAY_TOKEN"),
    "G3 empty": ((), {"STEPWELL_GATEWAY_TOKEN": ""}, "should not be empty"),
    "G3 a flag": (("--set", "gateway.token=x"), {}, "STEPWELL_GATEWAY_TOKEN_FILE"),
    "G4 negative": (("--set", "worker.success_retention_ms=-1"), {}, "greater than or equal to"),
    "G4 5 parsecs": (("--set", "worker.commit_interval_ms=5 parsecs"), {}, "valid integer"),
    "G4 timeout 0": (("--set", "gateway.append_timeout_ms=0"), {}, "greater than or equal to 1"),
    "G4 typo": (("--set", "gateway.on_conflict=acept"), {}, "'accept' or 'refuse'"),
    "G5 batch": (("--set", "gateway.max_batch_events=-1"), {}, "greater than or equal to 0"),
    "G5 bytes": (("--set", "gateway.max_body_bytes=0"), {}, "greater than or equal to 1"),
    "G7 variable": ((), {"STEPWELL_KAFKA_PARTITIONS": "many"}, "STEPWELL_KAFKA_PARTITIONS"),
    "G7 no file": (("--config", "/nowhere/stepwell.toml"), {}, "/nowhere/stepwell.toml"),
    "G8 no scheme": (("--index", "127.0.0.1:8080"), {}, "weaviate://host:port"),
    "C8 a URL": (("--bootstrap", "http://broker:9092"), {}, "host:port"),
}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *((name, "G1 misspelt") for name in READ_SETTINGS),
        *((name, wrong) for name in ("gateway", "config check") for wrong in WRONG_SETTINGS),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_asked(run, app, name, wrong):
    words, environ, says = WRONG_SETTINGS[wrong]
    result = run(ROWS[name].words, *words, **environ)
    assert result.exit_code == USAGE, result.output
    assert says in result.stderr
    assert (result.stdout, app.asked) == ("", ())


@pytest.mark.parametrize("name", READ_SETTINGS)
def test_g7_a_file_that_cannot_be_read_is_named(run, tmp_path, name):
    file = tmp_path / "stepwell.toml"
    file.write_bytes(b'[kafka]\nprefix = "\xff"')
    result = run(ROWS[name].words)
    assert (result.exit_code, result.stdout) == (USAGE, "")
    assert "stepwell.toml is not UTF-8 at byte 18" in result.stderr
    file.unlink()
    file.symlink_to("stepwell.toml")
    assert "symbolic links" in run(ROWS[name].words).stderr


@pytest.mark.parametrize("name", ASK)
def test_c8_what_cannot_be_reached_ends_with_5_and_the_next_step(run, app, name):
    app.error = BrokerUnavailable("no answer at 127.0.0.1:1")
    result = run(ROWS[name].words)
    assert result.exit_code == UNREACHABLE
    assert "Error: no answer at 127.0.0.1:1\nTry: stepwell doctor\n" in result.stderr


@pytest.mark.parametrize("name", ASK)
def test_c10_ctrl_c_ends_with_130_and_no_more_than_words(run, app, name):
    app.error = KeyboardInterrupt()
    result = run(ROWS[name].words)
    assert result.exit_code == INTERRUPTED
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", [name for name in RUN_HERE if ROWS[name].says])
def test_c9_a_closed_pipe_ends_it_quietly(app, models, tmp_path, capfd, name):
    (tmp_path / "lines.jsonl").write_text("")
    invocation = Invocation(app=lambda: app, models=lambda: models, environ={}, directory=tmp_path)
    words = shlex.split(ROWS[name].words.format(tmp=tmp_path))
    with closed_stdout(), pytest.raises(SystemExit) as ended:
        cli(words, prog_name="stepwell", obj=invocation)
    assert ended.value.code == 1
    assert "Traceback" not in capfd.readouterr().err


@contextmanager
def closed_stdout() -> Iterator[None]:
    """What is printed goes to a reader who has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    before, pipe = sys.stdout, os.fdopen(writer, "w")
    sys.stdout = pipe
    try:
        yield
    finally:
        sys.stdout = before
        with suppress(BrokenPipeError):
            pipe.close()
