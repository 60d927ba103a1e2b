"""`stepwell reindex`: started, followed, left alone."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stepwell.streams.errors import InstanceNotFound, InvalidRequest
from stepwell.streams.views import ReindexStarted
from tests.cli.conftest import REINDEX, FakeApp

OPTIONS = {"id": None, "rate": None, "prune": False, "into": None}


def test_a_file_is_handed_over_and_left_to_the_workers(stepwell, app: FakeApp, tmp_path: Path):
    file = tmp_path / "docs.jsonl"
    file.write_text('{"id": "a", "title": "T"}\n')
    result = stepwell("reindex", "--source", str(file))
    assert result.exit_code == 0
    assert app.asked == ("docs.jsonl", file.read_bytes(), OPTIONS)
    assert result.stdout == "Re-index r-1 of docs.jsonl, 3 lines is started.\n"
    assert "stepwell reindex --follow --id r-1" in result.stderr
    assert "instances terminate" in result.stderr
    assert app.followed == []


def test_a_repository_is_named_and_options_go_with_it(stepwell, app: FakeApp):
    arguments = ("--id", "n-1", "--rate", "2.5", "--prune", "--into", "Fresh")
    stepwell("reindex", "--source", "github:acme/site", *arguments)
    wanted = {"id": "n-1", "rate": 2.5, "prune": True, "into": "Fresh"}
    assert app.asked == ("github:acme/site", None, wanted)


def test_standard_input_is_a_file(stepwell, app: FakeApp):
    stepwell("reindex", "--source", "-", stdin="{}\n")
    assert app.asked[:2] == ("-", b"{}\n")


def test_followed_it_ends_with_the_counts(stepwell, app: FakeApp):
    result = stepwell("reindex", "--source", "github:acme/site", "--follow")
    assert result.exit_code == 0
    assert app.followed == ["r-1"]
    counts = "2 stored, 1 stale, 0 skipped, 0 failed, 0 pruned"
    assert result.stdout == f"docs.jsonl into Docs: {counts}\n"


def test_one_that_was_started_before_is_followed(stepwell, app: FakeApp):
    result = stepwell("reindex", "--follow", "--id", "r-9")
    assert result.exit_code == 0
    assert app.followed == ["r-9"]
    assert app.asked == ()


def test_failures_are_shown_and_the_exit_says_so(stepwell, app: FakeApp, replace_view):
    failures = ("line 2: not JSON\x1b[31m", "line 4: should be an object")
    replace_view(failed=3, failures=failures, note="nothing was pruned")
    result = stepwell("reindex", "--follow", "--id", "r-1")
    assert result.exit_code == 1
    assert (
        result.stderr
        == "line 2: not JSON[31m\nline 4: should be an object\nand 1 more\nnothing was pruned\n"
    )
    assert "3 failed" in result.stdout


def test_one_that_did_not_complete_says_why(stepwell, replace_view):
    replace_view(status="errored", error="StepError: no such file")
    result = stepwell("reindex", "--follow", "--id", "r-1")
    assert result.exit_code == 1
    assert "errored" in result.stdout
    assert "StepError: no such file" in result.stdout


def test_who_interrupts_only_stops_watching(stepwell, app: FakeApp):
    app.interrupted = True
    result = stepwell("reindex", "--follow", "--id", "r-1")
    assert result.exit_code == 130
    assert "Detached: re-index r-1 goes on." in result.stderr


def test_json_is_one_document(stepwell, app: FakeApp):
    app.reindex_started = ReindexStarted("r-1", "-", 3, existed=True)
    started = stepwell("reindex", "--source", "-", "--json", stdin="")
    assert json.loads(started.stdout)["existed"] is True
    followed = stepwell("reindex", "--source", "-", "--json", "--follow", stdin="")
    assert json.loads(followed.stdout)["stored"] == 2


@pytest.mark.parametrize("arguments", [(), ("--follow",), ("--id", "r-1"), ("--rate", "many")])
def test_too_little_is_wrong_usage(stepwell, arguments: tuple[str, ...]):
    assert stepwell("reindex", *arguments).exit_code == 2


def test_a_file_that_is_not_there_is_named(stepwell):
    result = stepwell("reindex", "--source", "nowhere.jsonl")
    assert result.exit_code == 2
    assert "nowhere.jsonl" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"), [(InvalidRequest("rate: no"), 2), (InstanceNotFound("none"), 3)]
)
def test_what_is_refused_ends_with_its_code(stepwell, app: FakeApp, error: Exception, code: int):
    app.error = error
    assert stepwell("reindex", "--source", "github:acme/site").exit_code == code


@pytest.fixture
def replace_view(app: FakeApp):
    def change(**fields: object) -> None:
        app.reindex_views = [replace(REINDEX, **fields)]

    return change
