"""`stepwell replays` and `stepwell reindexes`."""

import json


def test_replays_are_listed(stepwell):
    header, line = stepwell("replays", "list").stdout.splitlines()
    assert header.split()[:3] == ["REPLAY", "MODE", "STATUS"]
    assert line.split() == [
        *("r-1", "verify", "interrupted", "2026-01-01T00:00:00.000Z", "2", "3", "0")
    ]


def test_a_replay_that_was_interrupted_says_how_to_go_on(stepwell, app):
    result = stepwell("replays", "show")
    assert app.asked == ("latest",)
    assert "embed-issue/one" in result.stdout
    assert result.stderr == "Go on: stepwell replay --resume r-1\n"


def test_reindexes_are_listed_with_what_became_of_their_documents(stepwell, app):
    _, line = stepwell("reindexes", "list", "--limit", "3").stdout.splitlines()
    assert app.asked == (3,)
    assert line.split()[-4:] == ["2", "1", "0", "0"]
    (known,) = json.loads(stepwell("reindexes", "list", "--json").stdout)
    assert known["view"]["instance_id"] == "r-9"


def test_empty_lists_say_what_would_start_one(stepwell, app):
    app.replays = app.reindexes = []
    assert "stepwell replay --to-earliest" in stepwell("replays", "list").stderr
    assert "stepwell reindex --source" in stepwell("reindexes", "list").stderr
