"""`stepwell example`: what is listed, what is shown, and that each runs to its end."""

import json

import pytest
from click.testing import CliRunner, Result

from stepwell.streams.cli.root import cli
from stepwell.streams.examples.gallery import EXAMPLES

NAMES = [example.name for example in EXAMPLES]


def stepwell(*args: str) -> Result:
    return CliRunner().invoke(cli, ["example", *args])


def test_every_example_is_listed_with_one_line():
    listed = json.loads(stepwell("list", "--json").stdout)
    assert [each["name"] for each in listed] == NAMES
    assert all(each["summary"].endswith(".") for each in listed)
    assert all(name in stepwell("list").stdout for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_example_has_a_page(name: str):
    shown = stepwell("show", name).stdout
    assert " -> " in shown
    assert "stepwell.streams.examples." in shown


@pytest.mark.parametrize("name", NAMES)
def test_every_example_runs_to_its_end(name: str):
    if name == "image-pipeline":
        pytest.importorskip("PIL", reason="Pillow is an extra: stepwell[images]")
    result = stepwell("run", name, "--json")
    assert result.exit_code == 0, result.output
    ran = json.loads(result.stdout)
    assert ran["details"]["summary"]["status"] == "complete"


def test_a_run_shows_its_steps_and_the_messages_that_it_would_send():
    shown = stepwell("run", "approval").stdout
    assert "ask-manager-1" in shown
    assert "A second oven: approved by alan" in shown


def test_a_run_takes_other_parameters():
    result = stepwell("run", "publish-pun", "--params", '{"pun_id": 4}')
    assert result.exit_code == 1
    assert "pun 4 was rejected: rude" in result.stdout


def test_parameters_of_another_shape_are_an_error_that_names_the_field():
    result = stepwell("run", "publish-pun", "--params", '{"pun": 4}')
    assert result.exit_code == 1
    assert "pun_id" in result.stdout


def test_parameters_that_are_no_json_are_refused():
    result = stepwell("run", "publish-pun", "--params", "pun 4")
    assert result.exit_code == 2
    assert "not JSON" in result.stderr


@pytest.mark.parametrize("command", ["show", "run"])
def test_an_example_that_does_not_exist(command: str):
    result = stepwell(command, "nope")
    assert result.exit_code == 3
    assert "stepwell example list" in result.stderr
