"""`stepwell instances`."""

import json
from dataclasses import replace

import pytest

from stepwell.streams.errors import InvalidInstanceId
from stepwell.streams.gateway.requests import check_address


def test_the_list_is_a_table_with_times_in_utc(stepwell, app):
    result = stepwell("instances", "list", "--workflow", "embed-issue", "--status", "complete")
    assert app.asked == ("embed-issue", "complete", 50)
    header, line = result.stdout.splitlines()
    assert header.split() == ["WORKFLOW", "INSTANCE", "STATUS", "CREATED", "UPDATED", "WHY"]
    assert line.split() == [
        "embed-issue",
        "delivery-1",
        "complete",
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:00.250Z",
    ]


def test_an_empty_list_says_what_would_start_an_instance(stepwell, app):
    app.summaries = []
    result = stepwell("instances", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "stepwell gateway" in result.stderr


def test_the_list_in_json(stepwell):
    (each,) = json.loads(stepwell("instances", "list", "--json").stdout)
    assert each == {
        "workflow": "embed-issue",
        "instance_id": "delivery-1",
        "status": "complete",
        "created_ms": 1_767_225_600_000,
        "updated_ms": 1_767_225_600_250,
        "error": None,
        "reason": None,
        "subject": None,
    }


def test_the_newest_instance_is_described_when_no_id_is_given(stepwell, app):
    stepwell("instances", "describe")
    assert app.asked == (None, "latest")


def test_a_description_shows_steps_attempts_results_and_errors(stepwell, app):
    result = stepwell("instances", "describe", "delivery-1", "--workflow", "embed-issue")
    assert app.asked == ("embed-issue", "delivery-1")
    assert "Status:   complete" in result.stdout
    assert 'Params:   {"number": 42}' in result.stdout
    assert "upsert-vector-1  failed     3" in result.stdout
    assert "IndexUnavailable: no answer" in result.stdout


def test_a_description_in_json_has_everything(stepwell):
    found = json.loads(stepwell("instances", "describe", "--json").stdout)
    assert found["summary"]["instance_id"] == "delivery-1"
    assert found["output"] == {"status": "stored"}
    assert found["steps"][0]["output"] == "text"
    assert found["steps"][1]["attempts"] == 3


def test_an_unknown_instance_ends_with_3(stepwell, app):
    app.details = None
    result = stepwell("instances", "describe", "delivery-2")
    assert result.exit_code == 3
    assert result.stderr == "Error: no instance delivery-2\nTry: stepwell instances list\n"


def test_a_description_says_what_is_waited_for_and_what_was_received(stepwell):
    lines = stepwell("instances", "describe").stdout.splitlines()
    (wait,) = [line for line in lines if line.startswith("wait approval-1")]
    assert 'for event approved with {"order": 7} until 2026-01-02T00:00:00.000Z' in wait
    (child,) = [line for line in lines if line.startswith("child ship-1")]
    assert "child shipping/s-1" in child
    (event,) = [line for line in lines if line.startswith("approved")]
    assert event.split()[2] == "nobody"


def test_the_reason_of_a_pause_is_listed(stepwell, app):
    app.summaries = [replace(app.summaries[0], status="paused", reason="diverged: other step")]
    assert "diverged: other step" in stepwell("instances", "list").stdout


@pytest.mark.parametrize("instance_id", ["what?", "a\nb", "x" * 10_000, "", "\x1b[31m"])
def test_an_impossible_id_is_wrong_usage_and_quoted_safely(stepwell, app, instance_id):
    app.error = _refusal(instance_id)
    result = stepwell("instances", "describe", instance_id)
    assert result.exit_code == 2
    assert "(instance.invalid_id)" in result.stderr
    assert "\x1b" not in result.output
    assert len(result.output) < 1000


def _refusal(instance_id):
    with pytest.raises(InvalidInstanceId) as refused:
        check_address(instance_id)
    return refused.value
