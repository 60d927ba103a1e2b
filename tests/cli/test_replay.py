"""`stepwell replay`, and `stepwell instances describe --at`."""

import json

import pytest

from stepwell.streams.replay.asking import (
    At,
    Filters,
    Mode,
    Origin,
    Pace,
    Scope,
    Start,
    Until,
)
from stepwell.streams.replay.errors import OutOfBounds, PlaceNotFound
from tests.cli.fake_replays import VERIFIED

NEW_YEAR_MS = 1_767_225_600_000


def test_without_execute_the_plan_is_shown_and_nothing_done(stepwell, app):
    result = stepwell("replay", "--to-earliest")
    assert result.exit_code == 0
    (request,) = app.asked
    assert (request.start, request.mode, request.execute) == (
        Start(Origin.EARLIEST),
        Mode.RERUN,
        False,
    )
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[1] == [
        *("stepwell.events", "0", "5", "11", "6", "4"),
        *("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z"),
    ]
    assert lines[2][:6] == ["stepwell.events", "1", "3", "-", "0", "0"]
    assert "Instances:               4" in result.stdout
    assert "Vectors that may change: 3" in result.stdout
    assert "2 running" in result.stdout
    assert "Note: below the earliest, 3" in result.stderr
    assert "dry run" in result.stderr


def test_the_plan_can_be_had_in_json(stepwell):
    plan = json.loads(stepwell("replay", "--to-earliest", "--json").stdout)
    assert (plan["instances"], plan["ticket"]["id"]) == (4, "r-1")


@pytest.mark.parametrize(
    ("options", "start"),
    [
        (("--from-offset", "17"), Start(Origin.OFFSET, 17)),
        (("--from-offset", "-1"), Start(Origin.OFFSET, -1)),
        (("--shift-by", "-100"), Start(Origin.SHIFT, -100)),
        (("--from-offset", "0"), Start(Origin.OFFSET, 0)),
        (("--to-datetime", "2026-01-01T00:00:00Z"), Start(Origin.TIME, NEW_YEAR_MS)),
        (
            ("--to-datetime", "2026-01-01T01:00", "--tz", "Europe/Berlin"),
            Start(Origin.TIME, NEW_YEAR_MS),
        ),
    ],
)
def test_the_beginning_is_given_in_one_of_kafkas_ways(stepwell, app, options, start):
    result = stepwell("replay", *options)
    assert result.exit_code == 0, result.stderr
    assert app.asked[0].start == start


def test_a_duration_counts_back_from_now(stepwell, app):
    stepwell("replay", "--by-duration", "P1D")
    day = app.asked[0].start.value
    stepwell("replay", "--by-duration", "1 hour")
    hour = app.asked[0].start.value
    assert 22.9 < (hour - day) / 3_600_000 < 23.1


def test_offsets_are_read_from_what_export_wrote(stepwell, app, tmp_path):
    plan = tmp_path / "plan.csv"
    stepwell("replay", "--to-earliest", "--export", str(plan))
    assert plan.read_text() == "topic,partition,offset\nstepwell.events,0,5\nstepwell.events,1,3\n"
    assert stepwell("replay", "--from-file", str(plan)).exit_code == 0
    offsets = {("stepwell.events", 0): 5, ("stepwell.events", 1): 3}
    assert app.asked[0].start == Start(Origin.FILE, offsets=offsets)


def test_scope_end_and_filters_are_passed_on(stepwell, app):
    result = stepwell(
        *("replay", "--to-earliest", "--until-offset", "9", "--topic", "a.b:0,2", "--topic", "c"),
        *("--workflow", "embed-issue", "--filter", "type=com.github.*", "--filter", "subject=x#1"),
        *("--mode", "verify", "--skip", "fetch*", "--tolerance", "0.001"),
    )
    assert result.exit_code == 0, result.stderr
    (request,) = app.asked
    assert request.scopes == (Scope("a.b", (0, 2)), Scope("c"))
    assert request.until == Until(offset=9)
    assert request.filters == Filters(type="com.github.*", subject="x#1")
    assert (request.workflow, request.mode) == ("embed-issue", Mode.VERIFY)
    assert (request.skip, request.tolerance) == (("fetch*",), 0.001)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "Say where to begin: --from-offset, --to-datetime"),
        (("--to-earliest", "--from-offset", "1"), "Say only once where to begin"),
        (
            ("--to-earliest", "--until-offset", "1", "--until-datetime", "2026-01-01T00:00Z"),
            "Say only once where to end",
        ),
        (("--to-datetime", "yesterday"), "'yesterday' is no time"),
        (("--to-datetime", "2026-02-30T00:00Z"), "day is out of range"),
        (("--to-datetime", "2026-01-01T00:00"), "has no time zone"),
        (("--to-datetime", "2026-01-01T00:00", "--tz", "Mars"), "'Mars' is no time zone"),
        (("--to-datetime", "2026-03-29T02:30", "--tz", "Europe/Berlin"), "does not exist"),
        (("--to-datetime", "2026-10-25T02:30", "--tz", "Europe/Berlin"), "is twice"),
        (("--by-duration", "P"), "is no duration; write P1DT2H30M"),
        (("--by-duration", "-P1D"), "is no duration"),
        (("--to-earliest", "--topic", "a:x"), "write TOPIC or TOPIC:0,1,2"),
        (("--to-earliest", "--filter", "colour=red"), "write type=PATTERN"),
        (("--to-earliest", "--filter", "type=a", "--filter", "type=b"), "given twice"),
        (("--to-earliest", "--mode", "undo"), "'undo' is not one of"),
        (("--to-earliest", "--rate", "0"), "--rate"),
        (("--resume", "r-1", "--to-earliest"), "keeps its range"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(stepwell, app, options, problem):
    result = stepwell("replay", *options)
    assert (result.exit_code, app.asked) == (2, ())
    assert problem in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("error", "code"),
    [(OutOfBounds(["a:0: below"]), 4), (PlaceNotFound("no topic 'x'", ["stepwell.events"]), 3)],
)
def test_what_the_log_does_not_have_is_refused(stepwell, app, error, code):
    app.error = error
    result = stepwell("replay", "--to-earliest")
    assert result.exit_code == code
    assert str(error) in result.stderr
    assert "Try: stepwell replay --help" in result.stderr


def test_to_execute_needs_a_yes(stepwell, app):
    result = stepwell("replay", "--to-earliest", "--execute")
    assert result.exit_code == 4
    assert "Start 4 instances?" in result.stderr
    assert len(app.asked) == 1


def test_it_is_executed_at_the_pace_that_is_asked_for(stepwell, app):
    result = stepwell(
        *("replay", "--to-earliest", "--execute", "--yes", "--wait"),
        *("--rate", "10", "--max-in-flight", "3"),
    )
    assert result.exit_code == 0, result.stderr
    assert app.asked == ("r-1", Pace(10, 3), True)
    assert "Replay r-1" in result.stderr
    assert "Started:      4" in result.stdout
    assert "3 complete" in result.stdout


def test_its_result_can_be_had_in_json(stepwell):
    result = stepwell("replay", "--to-earliest", "--execute", "--yes", "--json")
    assert json.loads(result.stdout)["outcomes"] == {"complete": 3}


def test_a_verification_changes_nothing_and_asks_nothing(stepwell, app):
    app.replay_result = VERIFIED
    result = stepwell("replay", "--to-earliest", "--mode", "verify", "--execute")
    assert result.exit_code == 1
    assert ["embed-issue:", "embed", "1", "1", "0", "0", "0"] in [
        line.split() for line in result.stdout.splitlines()
    ]
    assert "embed-issue/one embed-1 changed a [31mb" in " ".join(result.stdout.split())


def test_an_interrupted_replay_says_how_to_go_on(stepwell, app):
    app.interrupts_after = 2
    result = stepwell("replay", "--to-earliest", "--execute", "--yes")
    assert result.exit_code == 130
    assert "2 of 4 instances were started" in result.stderr
    assert "stepwell replay --resume r-1" in result.stderr


def test_a_replay_goes_on_by_its_id(stepwell, app):
    result = stepwell("replay", "--resume", "r-1", "--yes")
    assert result.exit_code == 0, result.stderr
    assert app.asked == ("r-1", Pace(), False)


def test_an_instance_is_shown_as_it_was_at_an_offset(stepwell, app):
    result = stepwell("instances", "describe", "delivery-1", "--at", "42")
    assert app.asked == (None, "delivery-1", At(offset=42))
    assert "Instance: delivery-1" in " ".join(result.stdout.split())


def test_an_instance_is_shown_as_it_was_at_a_time(stepwell, app):
    stepwell("instances", "describe", "delivery-1", "--at", "2026-01-01T00:00:00Z")
    assert app.asked[2] == At(time_ms=NEW_YEAR_MS)


def test_a_time_that_is_none_is_wrong_usage(stepwell, app):
    result = stepwell("instances", "describe", "delivery-1", "--at", "noon")
    assert (result.exit_code, app.asked) == (2, ())
