"""Failures are one line on stderr, a next step where there is one, and an exit code."""

import pytest

from stepwell.models.errors import ModelError
from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.errors import (
    BrokerUnavailable,
    ConfigurationError,
    IndexSchemaMismatch,
    IndexUnavailable,
    InstanceExists,
    InstanceNotFound,
    InvalidInstanceId,
    LetterNotFound,
    StepwellError,
    TopicMismatch,
)


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (StepwellError("it failed"), 1),
        (ModelError("the model is not there"), 1),
        (InvalidDefinition("two workflows have one name"), 1),
    ],
)
def test_an_error_of_ours_is_one_line_and_its_exit_code(stepwell, app, error, exit_code):
    app.error = error
    result = stepwell("instances", "list")
    assert result.exit_code == exit_code
    assert result.stdout == ""
    assert result.stderr == f"Error: {error}\n"


@pytest.mark.parametrize(
    ("error", "exit_code", "next_step"),
    [
        (ConfigurationError("log.level is wrong"), 2, "stepwell config reference"),
        (InvalidInstanceId("no instance has such an id"), 2, "stepwell instances list"),
        (InstanceNotFound("there is no instance x"), 3, "stepwell instances list"),
        (InstanceExists("x exists"), 4, "stepwell instances describe ID"),
        (TopicMismatch("3 partitions instead of 8"), 4, "stepwell doctor"),
        (IndexSchemaMismatch("384 dimensions instead of 1024"), 4, "stepwell index list"),
        (LetterNotFound("there is none"), 3, "stepwell dlq list"),
    ],
)
def test_an_error_names_the_next_step(stepwell, app, error, exit_code, next_step):
    app.error = error
    result = stepwell("instances", "list")
    assert result.exit_code == exit_code
    assert result.stderr == f"Error: {error}\nTry: {next_step}\n"


@pytest.mark.parametrize("error", [BrokerUnavailable("no answer"), IndexUnavailable("no answer")])
def test_what_cannot_be_reached_ends_with_5_and_points_to_the_doctor(stepwell, app, error):
    app.error = error
    result = stepwell("search", "login")
    assert result.exit_code == 5
    assert result.stderr == "Error: no answer\nTry: stepwell doctor\n"


def test_text_in_an_error_cannot_steer_the_terminal(stepwell, app):
    app.error = StepwellError("bad \x1b]0;title\x07 and\nmore")
    assert stepwell("doctor").stderr == "Error: bad ]0;title and more\n"


def test_an_interrupt_ends_with_130(stepwell, app):
    app.error = KeyboardInterrupt()
    assert stepwell("search", "login").exit_code == 130


@pytest.mark.parametrize("arguments", [("no-such-command",), ("config", "--no-such-option")])
def test_wrong_usage_ends_with_2(stepwell, arguments):
    result = stepwell(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_an_error_that_is_not_ours_is_not_hidden(stepwell, app):
    app.error = RuntimeError("a defect")
    assert stepwell("doctor").exception is app.error
