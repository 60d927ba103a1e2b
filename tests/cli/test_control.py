"""`stepwell trigger` and the commands of `stepwell instances` that change something."""

import json
from dataclasses import replace

import pytest

from stepwell.schemas.commands import (
    CancelRequested,
    DeleteRequested,
    EventReceived,
    PauseRequested,
    RestartRequested,
    ResumeRequested,
    StepRef,
    TerminateRequested,
)
from stepwell.streams.errors import CannotTerminate, InstanceExists, InstanceNotFound


def test_trigger_starts_an_instance_and_prints_its_id(stepwell, app):
    result = stepwell("trigger", "embed-issue", "--id", "delivery-1", "--params", '{"n": 1}')
    assert app.asked == ("embed-issue", {"n": 1}, "delivery-1", "live")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Workflow: embed-issue",
        "Instance: delivery-1",
        "Status:   running",
    ]


def test_trigger_needs_neither_id_nor_parameters(stepwell, app):
    stepwell("trigger", "embed-issue", "--lane", "bulk")
    assert app.asked == ("embed-issue", None, None, "bulk")


def test_parameters_may_be_an_argument_but_are_given_once(stepwell, app):
    stepwell("trigger", "embed-issue", '{"n": 1}')
    assert app.asked[1] == {"n": 1}
    assert stepwell("trigger", "embed-issue", "1", "--params", "2").exit_code == 2


def test_parameters_are_read_from_stdin(stepwell, app):
    assert stepwell("trigger", "embed-issue", "--params", "-", stdin="[1, 2]").exit_code == 0
    assert app.asked[1] == [1, 2]


def test_parameters_that_are_not_json_are_wrong_usage(stepwell, app):
    result = stepwell("trigger", "embed-issue", "--params", "hello")
    assert (result.exit_code, app.asked) == (2, ())
    assert 'Text is written "in quotes"' in result.stderr


def test_trigger_can_wait_for_the_end(stepwell, app):
    result = stepwell("trigger", "embed-issue", "--wait")
    assert app.asked == (app.receipt,)
    assert result.exit_code == 0
    assert "Status:   complete" in result.stdout


@pytest.mark.parametrize("status", ["errored", "terminated", "paused"])
def test_waiting_for_what_does_not_complete_ends_with_1(stepwell, app, status):
    app.end = replace(app.end, status=status, error="Boom: it broke")
    result = stepwell("trigger", "embed-issue", "--wait")
    assert result.exit_code == 1
    assert "Boom: it broke" in result.stdout


def test_an_id_that_is_taken_ends_with_4_and_names_the_code(stepwell, app):
    app.error = InstanceExists("embed-issue/delivery-1 exists already, and is running")
    result = stepwell("trigger", "embed-issue", "--id", "delivery-1")
    assert result.exit_code == 4
    assert result.stderr == (
        "Error: (instance.already_exists) embed-issue/delivery-1 exists already, and is running\n"
        "Try: stepwell instances describe ID\n"
    )


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("pause", "ID", "--reason", "lunch"), PauseRequested(0, "lunch")),
        (("resume", "ID", "--reason", "lunch is over"), ResumeRequested(0, "lunch is over")),
        (("cancel", "ID"), CancelRequested(0)),
        (("terminate", "ID"), TerminateRequested(0)),
        (("terminate", "ID", "--rollback"), TerminateRequested(0, rollback=True)),
        (("restart", "ID"), RestartRequested(0)),
        (("restart", "ID", "--from-step", "pay"), RestartRequested(0, StepRef("pay"))),
        (("restart", "ID", "--from-step", "a:b:3"), RestartRequested(0, StepRef("a:b", 3))),
        (
            ("restart", "ID", "--from-step", "nap:2", "--kind", "sleep"),
            RestartRequested(0, StepRef("nap", 2, "sleep")),
        ),
        (
            ("restart", "ID", "--from-step-name", "nap", "--from-step-count", "2"),
            RestartRequested(0, StepRef("nap", 2)),
        ),
        (
            ("restart", "ID", "--from-step", "paid", "--from-step-type", "waitForEvent"),
            RestartRequested(0, StepRef("paid", 1, "wait")),
        ),
        (("delete", "ID", "--yes"), DeleteRequested(0)),
        (
            ("send-event", "ID", "--type", "paid", "--payload", "7", "--event-id", "e-1"),
            EventReceived("paid", 7, 0, "e-1"),
        ),
        (("send-event", "ID", "--type", "paid"), EventReceived("paid", None, 0)),
    ],
)
def test_a_command_is_passed_on(stepwell, app, words, command):
    result = stepwell("instances", *words, "--workflow", "order")
    assert result.exit_code == 0, result.output
    assert app.asked == ("order", "ID", command)


def test_latest_is_an_id(stepwell, app):
    stepwell("instances", "pause", "latest")
    assert app.asked == (None, "latest", PauseRequested(0))


def test_a_command_without_effect_says_so_and_is_no_failure(stepwell, app):
    app.receipt = replace(
        app.receipt, verdict="no-effect", message="order/one is running: there is nothing to resume"
    )
    result = stepwell("instances", "resume", "one")
    assert result.exit_code == 0
    assert "nothing was done: order/one is running: there is nothing to resume" in result.stdout


def test_a_receipt_in_json(stepwell):
    receipt = json.loads(stepwell("instances", "pause", "one", "--json").stdout)
    assert (receipt["verdict"], receipt["status"], receipt["offset"]) == ("accepted", "running", 42)


@pytest.mark.parametrize(
    ("error", "code"), [(InstanceNotFound("there is none"), 3), (CannotTerminate("it ended"), 4)]
)
def test_refusals_have_their_own_exit_codes(stepwell, app, error, code):
    app.error = error
    result = stepwell("instances", "terminate", "one")
    assert result.exit_code == code
    assert result.stderr.startswith(f"Error: ({error.code}) ")
