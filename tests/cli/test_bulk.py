"""Commands to many instances: a dry run, until they are told `--yes`."""

import json

import pytest

from stepwell.schemas.commands import PauseRequested
from stepwell.streams.errors import BulkChanged, InstanceNotFound
from stepwell.streams.gateway.bulk import BulkAction, BulkOutcome, BulkRequest
from stepwell.streams.lists import InstanceFilters

ACTIONS = [action.value for action in BulkAction]


@pytest.mark.parametrize("action", ACTIONS)
def test_without_a_yes_nothing_is_done(stepwell, app, action):
    result = stepwell("instances", action, "--all", "--workflow", "embed-issue")
    assert result.exit_code == 0
    assert app.done == []
    (request,) = app.asked
    assert request == BulkRequest(BulkAction(action), InstanceFilters(workflow="embed-issue"))
    assert "Matched:      3" in result.stdout
    assert "delivery-1" in result.stdout
    assert "and 2 more" in result.stderr
    assert "this was a dry run. Add --yes" in result.stderr


@pytest.mark.parametrize("action", ACTIONS)
def test_with_a_yes_it_is_done_to_what_was_counted(stepwell, app, action):
    result = stepwell("instances", action, "--status", "errored", "--yes", "--reason", "late")
    ((request, bulk_id, expected),) = app.done
    filters = InstanceFilters(statuses=("errored",))
    assert request == BulkRequest(BulkAction(action), filters, "late")
    assert expected == 3
    assert f"Bulk:   {bulk_id}" in result.stdout
    assert "Done:   3" in result.stdout


def test_terminating_may_roll_back(stepwell, app):
    stepwell("instances", "terminate", "--text", "boom", "--rollback", "--yes")
    assert app.done[0][0].rollback is True


def test_a_plan_and_a_result_in_json(stepwell, app):
    plan = json.loads(stepwell("instances", "pause", "--all", "--json").stdout)
    assert (plan["matched"], plan["counts"]) == (3, {"complete": 3})
    done = json.loads(stepwell("instances", "pause", "--all", "--json", "--yes").stdout)
    assert (done["done"], done["action"]) == (3, "pause")


def test_what_is_expected_may_be_said_and_what_was_begun_be_gone_on_with(stepwell, app):
    stepwell("instances", "delete", "--all", "--yes", "--bulk-id", "b-1", "--expected", "9")
    assert app.done[0][1:] == ("b-1", 9)


def test_nothing_that_matches_is_nothing_to_do(stepwell, app):
    app.matched = 0
    result = stepwell("instances", "pause", "--all", "--yes")
    assert (result.exit_code, app.done) == (0, [])
    assert "nothing was done" in result.stderr


def test_who_refuses_is_named_and_the_exit_code_is_1(stepwell, app):
    app.outcomes = (
        BulkOutcome("order", "one", "refused", "complete", "it has ended", "instance.cannot_x"),
    )
    result = stepwell("instances", "terminate", "--all", "--yes")
    assert result.exit_code == 1
    assert "order/one: (instance.cannot_x) it has ended" in result.stderr


def test_an_interrupt_says_how_far_it_came_and_how_to_go_on(stepwell, app):
    app.interrupted_after = 2
    result = stepwell("instances", "delete", "--all", "--yes", "--bulk-id", "b-7")
    assert result.exit_code == 130
    assert "2 of 3 instances were told" in result.stderr
    assert "--bulk-id b-7 --expected 3" in result.stderr


def test_others_that_match_meanwhile_are_a_refusal(stepwell, app):
    app.error = BulkChanged("4 instances match now, not 3: look again")
    assert stepwell("instances", "delete", "--all", "--yes").exit_code == 4


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--workflow", "order"),
        ("one", "--all"),
        ("one", "--status", "paused"),
        ("one", "--expected", "1"),
    ],
    ids=["nobody", "only a workflow", "id and all", "id and filter", "id and count"],
)
def test_it_must_be_clear_who_is_meant(stepwell, app, action, words):
    result = stepwell("instances", action, *words, "--yes")
    assert (result.exit_code, app.asked, app.done) == (2, (), [])


def test_a_step_to_restart_from_is_for_named_instances(stepwell, app):
    result = stepwell("instances", "restart", "--all", "--from-step", "pay", "--yes")
    assert (result.exit_code, app.done) == (2, [])


def test_several_may_be_named(stepwell, app):
    result = stepwell("instances", "pause", "one", "two", "--json")
    assert app.asked == (None, "two", PauseRequested(0))
    assert len(json.loads(result.stdout)) == 2
    table = stepwell("instances", "pause", "one", "two").stdout.splitlines()
    assert len(table) == 3


def test_of_several_a_refusal_is_told_and_its_exit_code_is_that_of_all(stepwell, app):
    app.error = InstanceNotFound("there is no instance")
    result = stepwell("instances", "pause", "one", "two")
    assert result.exit_code == 3
    assert "one: (instance.not_found)" in result.stderr
    assert "two: (instance.not_found)" in result.stderr
