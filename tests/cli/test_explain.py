"""`stepwell explain`: causes with what to do about each."""

import json


def test_causes_are_shown_with_what_to_do(stepwell):
    result = stepwell("explain", "delivery-1")
    assert result.exit_code == 0
    assert "Owner:     worker-1 at 10.0.0.7" in result.stdout
    assert "approval-1 waits for event 'approved'" in result.stdout
    assert "Try: stepwell instances send-event delivery-1 --type approved" in result.stdout


def test_an_explanation_in_json(stepwell):
    found = json.loads(stepwell("explain", "--json").stdout)
    assert found["causes"][0]["code"] == "event"
    assert found["ownership"]["behind"] == 2


def test_the_newest_is_explained_when_no_id_is_given(stepwell, app):
    stepwell("explain", "--workflow", "order")
    assert app.asked == ("order", "latest")
