"""`stepwell dlq`: letters are listed, shown, retried, discarded."""

import json

import pytest

from stepwell.schemas.dead_letters import LetterId
from stepwell.streams.views import LetterQuery


def test_the_list_is_a_table_and_text_of_records_cannot_steer_the_terminal(stepwell):
    done = stepwell("dlq", "list")
    assert done.exit_code == 0
    header, line = done.stdout.splitlines()
    assert header.split()[:5] == ["LETTER", "FAILED", "STATE", "STAGE", "REASON"]
    assert line.split()[0] == "3:17"
    assert "stepwell.events 3:42" in line
    assert "\x1b" not in done.stdout


def test_the_list_in_json(stepwell):
    (letter,) = json.loads(stepwell("dlq", "list", "--json").stdout)
    assert (letter["letter"], letter["reason"], letter["attempts"]) == ("3:17", "trigger", 1)


def test_no_letters_are_no_error(stepwell, app):
    app.letters = []
    done = stepwell("dlq", "list")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "No such dead letters.\n")


def test_the_list_is_filtered(stepwell, app):
    stepwell(
        *("dlq", "list", "--reason", "size", "--topic", "t", "--all", "--limit", "7"),
        *("--since", "2026-01-01T00:00:00Z"),
    )
    query = LetterQuery("size", "t", 1_767_225_600_000, resolved_too=True)
    assert app.asked == (query, 7)


@pytest.mark.parametrize("since", ["yesterday", "2026-01-01T00:00:00", "2026-02-30T00:00:00Z", "5"])
def test_a_time_without_a_zone_is_refused(stepwell, since):
    done = stepwell("dlq", "list", "--since", since)
    assert done.exit_code == 2
    assert "2026-01-31T10:00:00Z" in done.stderr


def test_a_time_may_be_said_by_how_long_ago_it_is(stepwell, app):
    assert stepwell("dlq", "list", "--since", "7d").exit_code == 0
    hour = stepwell("dlq", "list", "--since", "1h")
    assert hour.exit_code == 0
    assert app.asked[0].since_ms > 1_767_225_600_000


def test_one_letter_is_shown_with_headers_and_a_preview(stepwell, app):
    done = stepwell("dlq", "show", "3:17")
    assert done.exit_code == 0
    assert app.asked == (LetterId(3, 17),)
    assert "Exception:    KeyError" in done.stdout
    assert "  ce_id: 1" in done.stdout
    assert "hex: 00 ff" in done.stdout
    assert "\x1b" not in done.stdout


def test_its_bytes_are_written_to_a_file(stepwell, tmp_path):
    done = stepwell("dlq", "show", "3:17", "--output", str(tmp_path / "v"))
    assert (done.exit_code, done.stdout) == (0, "")
    assert (tmp_path / "v").read_bytes() == b"\x00\xff"
    stepwell("dlq", "show", "3:17", "--output", str(tmp_path / "k"), "--part", "key")
    assert (tmp_path / "k").read_bytes() == b"github:acme/site#42"


def test_a_file_that_cannot_be_written_is_named(stepwell, tmp_path):
    done = stepwell("dlq", "show", "3:17", "--output", str(tmp_path / "no" / "v"))
    assert done.exit_code == 1
    assert "No such file" in done.stderr


def test_a_letter_that_there_is_not_ends_with_3_and_the_way_to_the_list(stepwell):
    done = stepwell("dlq", "show", "9:9")
    assert done.exit_code == 3
    assert "there is no dead letter 9:9\nTry: stepwell dlq list" in done.stderr


@pytest.mark.parametrize("name", ["17", "3:", "a:b", "3:17:1", "-1:2", "3:17\n"])
def test_what_names_no_letter_is_wrong_usage(stepwell, name):
    assert stepwell("dlq", "show", "--", name).exit_code == 2


def test_named_letters_are_retried_without_asking(stepwell, app):
    done = stepwell("dlq", "retry", "3:17", "4:2", "--note", "mended")
    assert (done.exit_code, done.stdout) == (0, "3:17 done\n4:2 done\n")
    assert app.asked == ("retry", ["3:17", "4:2"], "mended")


def test_what_is_refused_ends_with_4_and_the_rest_is_done(stepwell, app):
    app.refused = {"3:17": "dead_letter.refused"}
    done = stepwell("dlq", "retry", "3:17", "4:2")
    assert (done.exit_code, done.stdout) == (4, "4:2 done\n")
    assert "3:17" in done.stderr


def test_what_there_is_not_ends_with_3(stepwell, app):
    app.refused = {"3:17": "dead_letter.not_found"}
    assert stepwell("dlq", "retry", "3:17", "4:2").exit_code == 3


def test_outcomes_in_json(stepwell):
    (outcome,) = json.loads(stepwell("dlq", "retry", "3:17", "--json").stdout)
    assert outcome == {"letter": "3:17", "done": True, "detail": "done", "code": ""}


@pytest.mark.parametrize("verb", ["retry", "discard"])
def test_all_letters_of_a_reason_are_resolved_with_a_yes(stepwell, app, verb):
    done = stepwell("dlq", verb, "--all", "--reason", "trigger", "--yes")
    assert done.exit_code == 0
    assert app.asked == (verb, ["3:17"], "")


@pytest.mark.parametrize(
    "arguments", [("retry", "--all"), ("discard", "--all"), ("discard", "3:17")]
)
def test_c10_without_a_terminal_and_a_yes_nothing_is_done(stepwell, app, arguments):
    done = stepwell("dlq", *arguments)
    assert done.exit_code == 4
    assert "say --yes" in done.stderr
    assert not {"retry", "discard"} & {str(each) for each in app.asked}


@pytest.mark.parametrize(
    "arguments", [(), ("3:17", "--all"), ("3:17", "--reason", "size"), ("--reason", "size")]
)
def test_letters_are_named_or_chosen_not_both(stepwell, arguments):
    done = stepwell("dlq", "retry", *arguments)
    assert done.exit_code == 2
    assert "--all" in done.stderr


def test_ctrl_c_says_what_was_done(stepwell, app):
    app.stop_after = 1
    done = stepwell("dlq", "retry", "3:17", "4:2", "5:1")
    assert done.exit_code == 130
    assert "1 done, 2 dead letters not begun or under way" in done.stderr
