"""`stepwell instances step`."""

import json
from dataclasses import replace

import pytest

from stepwell.streams.cli.stepping import SCREEN_BYTES_MAX
from stepwell.streams.views import StepView


def test_a_step_is_shown_with_its_attempts(stepwell, app):
    result = stepwell("instances", "step", "delivery-1", "--step", "upsert-vector")
    assert app.asked == (None, "delivery-1")
    assert "Status:   failed" in result.stdout
    rows = [line.split() for line in result.stdout.splitlines() if line[:1].isdigit()]
    assert [(number, outcome) for number, outcome, *_ in rows] == [
        ("1", "lost"),
        ("2", "failed"),
        ("3", "failed"),
    ]


@pytest.mark.parametrize("name", ["fetch-content", "fetch-content:1", "fetch-content-1"])
def test_its_whole_output_is_printed(stepwell, name):
    result = stepwell("instances", "step", "--step", name)
    assert result.stdout.splitlines()[-1] == '"text"'


def test_one_attempt(stepwell):
    result = stepwell("instances", "step", "--step", "upsert-vector", "--attempt", "2")
    assert "Outcome:  failed" in result.stdout
    assert "Error:    Slow: it was" in result.stdout
    found = json.loads(
        stepwell("instances", "step", "--step", "upsert-vector", "--attempt", "2", "--json").stdout
    )
    assert (found["number"], found["error"]) == (2, "Slow: it was")


def test_a_step_in_json_has_its_attempts(stepwell):
    found = json.loads(stepwell("instances", "step", "--step", "upsert-vector", "--json").stdout)
    assert [it["outcome"] for it in found["attempts_made"]] == ["lost", "failed", "failed"]


def test_steps_of_two_kinds_with_one_name_are_told_apart(stepwell, app):
    app.details = replace(
        app.details,
        steps=(StepView("pay", 1, "complete", 1), StepView("pay", 1, "waiting", 1, kind="wait")),
    )
    asked = stepwell("instances", "step", "--step", "pay")
    assert asked.exit_code == 2
    assert "--type: do, wait" in asked.stderr
    shown = stepwell("instances", "step", "--step", "pay", "--type", "waitForEvent").stdout
    assert shown.startswith("Step:     wait pay-1")


def test_an_output_that_is_too_long_for_a_screen_goes_to_a_file(stepwell, app, tmp_path):
    long = "x" * SCREEN_BYTES_MAX
    app.details = replace(app.details, steps=(StepView("big", 1, "complete", 1, output=long),))
    result = stepwell("instances", "step", "--step", "big")
    assert len(result.stdout) < 1000
    assert "--output FILE" in result.stderr
    file = tmp_path / "output.json"
    assert stepwell("instances", "step", "--step", "big", "--output", str(file)).exit_code == 0
    assert json.loads(file.read_text()) == long


def test_a_file_that_cannot_be_written_is_named(stepwell, tmp_path):
    file = tmp_path / "nowhere" / "output.json"
    result = stepwell("instances", "step", "--step", "fetch-content", "--output", str(file))
    assert result.exit_code == 1
    assert str(file) in result.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--step", "no\x1b[31m"), "upsert-vector-1"),
        (("--step", "fetch-content:2"), "fetch-content-1"),
        (("--step", "upsert-vector", "--attempt", "9"), "1, 2, 3"),
    ],
)
def test_what_is_not_there_ends_with_3_and_says_what_is(stepwell, words, says):
    result = stepwell("instances", "step", *words)
    assert result.exit_code == 3
    assert says in result.stderr
    assert "\x1b" not in result.output


def test_nobody_of_that_id(stepwell, app):
    app.details = None
    assert stepwell("instances", "step", "x", "--step", "y").exit_code == 3
