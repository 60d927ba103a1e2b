"""What is printed is safe for terminals and pipes."""

import json
import logging

import pytest
import structlog

from stepwell.streams.cli.logs import configure_logs
from stepwell.streams.cli.output import clean, print_json, print_table, when
from stepwell.streams.settings import LogSettings


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 🎉", "plain ünïcode 🎉"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x9b31mred \x00\x07", "31mred"),
        ("\u202egnp.exe", "gnp.exe"),
        ("half \ud83d", "half"),
    ],
)
def test_text_from_payloads_cannot_steer_a_terminal(text, shown):
    assert clean(text) == shown


def test_json_is_ascii_whatever_is_in_it(capsys):
    text = "ü\x1b\x9b\u202e\ud83d🎉"
    print_json({"title": text})
    output = capsys.readouterr().out
    assert output.isascii()
    assert json.loads(output)["title"].encode("utf-16", "surrogatepass") == text.encode(
        "utf-16", "surrogatepass"
    )


def test_a_piped_table_is_not_folded_and_markup_is_text(capsys):
    print_table(("A", "B"), [("x" * 500, "[red]not markup[/red]")])
    assert capsys.readouterr().out.splitlines()[1] == f"{'x' * 500}  [red]not markup[/red]"


def test_times_are_utc_with_milliseconds():
    assert when(1_767_225_600_250) == "2026-01-01T00:00:00.250Z"
    assert when(None) == ""


@pytest.fixture
def logs(capsys):
    """Writes one line through structlog and one through a library's logger; gives stderr."""
    root = logging.getLogger()
    level, handlers, ours = root.level, root.handlers[:], structlog.get_config()

    def write(log: LogSettings) -> list[str]:
        configure_logs(log)
        structlog.get_logger("stepwell").info("stored", documents=3)
        logging.getLogger("aiokafka").warning("slow %s", "broker")
        return capsys.readouterr().err.splitlines()

    yield write
    structlog.configure(**ours)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_logs_in_json_have_one_object_on_each_line(logs):
    ours, library = map(json.loads, logs(LogSettings(format="json")))
    assert (ours["event"], ours["documents"], ours["level"]) == ("stored", 3, "info")
    assert (library["event"], library["logger"]) == ("slow broker", "aiokafka")
    assert ours["timestamp"].endswith("Z")


def test_logs_as_text_have_no_colours_in_a_pipe(logs):
    lines = logs(LogSettings())
    assert "documents=3" in lines[0]
    assert "\x1b" not in "".join(lines)


def test_the_level_holds_for_ours_and_for_libraries(logs):
    (line,) = logs(LogSettings(level="warning", format="json"))
    assert json.loads(line)["event"] == "slow broker"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_tracebacks_tell_the_error_and_no_value_of_a_variable(logs, capsys, log_format):
    logs(LogSettings(format=log_format))
    token = "s3cr" + "3t"
    try:
        int(f"no good {len(token)}")
    except ValueError:
        structlog.get_logger("ours").exception("failed")
        logging.getLogger("theirs").exception("failed too")
    said = capsys.readouterr().err
    assert said.count("no good") >= 2
    assert "s3cr3t" not in said
