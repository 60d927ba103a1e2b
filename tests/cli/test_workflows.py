"""`stepwell workflows`."""

import json


def test_workflows_are_listed_with_their_instances_by_status(stepwell):
    lines = [line.split() for line in stepwell("workflows", "list").stdout.splitlines()]
    assert lines == [
        ["WORKFLOW", "INSTANCES", "ERRORED", "COMPLETE"],
        ["embed-issue", "42", "2", "40"],
    ]
    (found,) = json.loads(stepwell("workflows", "list", "--json").stdout)
    assert found == {"name": "embed-issue", "counts": {"complete": 40, "errored": 2}}


def test_no_workflows_says_what_would_start_one(stepwell, app):
    app.workflows = []
    result = stepwell("workflows", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "stepwell trigger" in result.stderr


def test_a_workflow_is_described_with_statistics_of_its_steps(stepwell, app):
    result = stepwell("workflows", "describe", "embed-issue")
    assert app.asked == ("embed-issue",)
    assert "Statuses:  2 errored, 40 complete" in result.stdout
    (line,) = [it for it in result.stdout.splitlines() if it.startswith("fetch-content")]
    assert line.split() == ["fetch-content", "do", "42", "40", "2", "45", "120", "ms", "1.5", "s"]
    found = json.loads(stepwell("workflows", "describe", "embed-issue", "--json").stdout)
    assert found["steps"][0]["p95_ms"] == 1500


def test_a_workflow_without_instances_ends_with_3(stepwell, app):
    app.statistics = None
    result = stepwell("workflows", "describe", "nobody\x1b[31m")
    assert result.exit_code == 3
    assert result.stderr.endswith("Try: stepwell workflows list\n")
    assert "\x1b" not in result.output
