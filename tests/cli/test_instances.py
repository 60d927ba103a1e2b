"""`stepwell instances`."""

import json
import time
from dataclasses import fields, replace

import pytest

from stepwell.schemas.parts import Origin
from stepwell.streams.cli.choosing import STATUSES
from stepwell.streams.engine.state import Status
from stepwell.streams.errors import InvalidInstanceId
from stepwell.streams.gateway.requests import check_address
from stepwell.streams.lists import InstanceFilters, InstancePage
from stepwell.streams.views import EventView, InstanceDetails, StepView


def test_the_list_is_a_table_with_times_in_utc(stepwell, app):
    result = stepwell("instances", "list", "--workflow", "embed-issue", "--status", "complete")
    filters = InstanceFilters(workflow="embed-issue", statuses=("complete",))
    assert app.asked == (filters, 50, None, False)
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


def test_filters_are_those_of_the_api(stepwell, app):
    words = (
        *("--status", "errored", "--status", "paused", "--workflow", "order"),
        *("--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00+01:00"),
        *("--id-prefix", "a-", "--subject", "github:acme/site#1", "--text", "boom"),
    )
    result = stepwell("instances", "list", *words, "--limit", "7", "--cursor", "1.2", "--reverse")
    assert result.exit_code == 0, result.output
    assert app.asked == (
        InstanceFilters(
            workflow="order",
            statuses=("errored", "paused"),
            created_from_ms=1_767_225_600_000,
            created_before_ms=1_767_308_400_000,
            id_prefix="a-",
            subject="github:acme/site#1",
            text="boom",
        ),
        7,
        "1.2",
        True,
    )


def test_a_duration_is_a_time_ago(stepwell, app):
    before_ms = time.time_ns() // 1_000_000
    stepwell("instances", "list", "--from", "90m")
    (filters, *_) = app.asked
    assert 0 <= filters.created_from_ms - (before_ms - 90 * 60_000) < 60_000


@pytest.mark.parametrize("text", ["yesterday", "2026-01-01T00:00:00", "2026-02-30", "5 parsecs"])
def test_a_time_that_is_none_is_wrong_usage(stepwell, app, text):
    result = stepwell("instances", "list", "--from", text)
    assert (result.exit_code, app.asked) == (2, ())
    assert "2026-01-31T10:00:00Z" in result.stderr


def test_an_unknown_status_is_wrong_usage_and_lists_the_known_ones(stepwell):
    result = stepwell("instances", "list", "--status", "done")
    assert result.exit_code == 2
    assert "waitingForPause" in result.stderr


def test_the_next_page_is_named_beside_the_list(stepwell, app):
    app.cursor = "17.4"
    result = stepwell("instances", "list", "--json")
    assert len(json.loads(result.stdout)) == 1
    assert result.stderr == "There are more: add --cursor 17.4\n"


def test_times_may_be_relative(stepwell, app):
    now_ms = time.time_ns() // 1_000_000
    app.summaries = [
        replace(app.summaries[0], created_ms=now_ms - 3 * 86_400_000, updated_ms=now_ms - 65_000)
    ]
    line = stepwell("instances", "list", "--time-format", "relative").stdout.splitlines()[1]
    assert line.split()[-4:] == ["3d", "ago", "1m", "ago"]


def test_watching_a_list_writes_what_is_new_or_changed(stepwell, app):
    first, second = app.summaries[0], replace(app.summaries[0], instance_id="delivery-2")
    changed = replace(second, status="errored")
    app.pages = [
        InstancePage((first,)),
        InstancePage((second, first)),
        InstancePage((second, first)),
        InstancePage((changed, first)),
    ]
    result = stepwell("instances", "list", "--watch", "--json")
    assert result.exit_code == 0, result.output
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(it["instance_id"], it["status"]) for it in told] == [
        ("delivery-1", "complete"),
        ("delivery-2", "complete"),
        ("delivery-2", "errored"),
    ]
    lines = stepwell("instances", "list", "--watch").stdout.splitlines()
    assert [line.split()[:3] for line in lines if line.strip()] == [
        ["WORKFLOW", "INSTANCE", "STATUS"],
        ["embed-issue", "delivery-1", "complete"],
        ["embed-issue", "delivery-2", "complete"],
        ["embed-issue", "delivery-2", "errored"],
    ]


def test_watching_ends_with_130_when_it_is_interrupted(stepwell, app):
    app.pages, app.error = [InstancePage(tuple(app.summaries))], KeyboardInterrupt()
    result = stepwell("instances", "list", "--watch", "--json")
    assert result.exit_code == 130
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == ""


def test_watching_an_instance_writes_it_when_it_is_not_as_it_was(stepwell, app):
    later = replace(app.details, output="later")
    app.seen = [app.details, app.details, later]
    result = stepwell("instances", "describe", "delivery-1", "--watch", "--json")
    assert app.asked == (None, "delivery-1")
    outputs = [json.loads(line)["output"] for line in result.stdout.splitlines()]
    assert outputs == [{"status": "stored"}, "later"]
    shown = stepwell("instances", "describe", "delivery-1", "--watch").stdout
    assert shown.count("Instance: delivery-1") == 2


@pytest.mark.parametrize(
    "words", [("list", "--cursor", "1.1"), ("describe", "--at", "3")], ids=["page", "past"]
)
def test_what_does_not_change_is_not_watched(stepwell, words):
    assert stepwell("instances", *words, "--watch").exit_code == 2


def test_a_description_says_what_started_it_and_where_that_lies(stepwell, app):
    app.details = replace(
        app.details,
        origin=Origin(
            "e-1", "com.github.issues", "/github", "acme/site#1", "stepwell.events", 3, 42
        ),
    )
    lines = stepwell("instances", "describe").stdout.splitlines()
    assert "Event:    com.github.issues e-1 of /github" in lines
    assert "Source:   stepwell.events:3:42" in lines


def test_a_description_in_json_leaves_nothing_out(stepwell):
    found = json.loads(stepwell("instances", "describe", "--json").stdout)
    assert found.keys() == {field.name for field in fields(InstanceDetails)}
    assert found["steps"][0].keys() == {field.name for field in fields(StepView)}
    assert found["events"][0].keys() == {field.name for field in fields(EventView)}


def test_the_statuses_are_those_of_the_engine():
    assert sorted(STATUSES) == sorted(Status)
