"""`stepwell forget`: shows what there is, asks, deletes, and says what stays."""

import json

SUBJECT = "github:acme/site#42"


def test_a_dry_run_shows_what_there_is_and_deletes_nothing(stepwell, app):
    done = stepwell("forget", "--subject", SUBJECT, "--dry-run")
    assert done.exit_code == 0
    assert app.asked == ("plan", SUBJECT)
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        "instance order/one",
        "dead letter 3:17",
        f"document {SUBJECT}, if the index has it",
    ]
    assert "2026-01-08T00:00:00.000Z" in done.stdout
    assert "audit/x got an event about it" in done.stderr


def test_a_dry_run_in_json(stepwell):
    plan = json.loads(stepwell("forget", "--subject", SUBJECT, "--dry-run", "--json").stdout)
    assert plan["instances"] == ["order/one"]
    assert plan["remains"][1]["until_ms"] is None


def test_c10_without_a_terminal_and_a_yes_nothing_is_deleted(stepwell, app):
    done = stepwell("forget", "--subject", SUBJECT)
    assert done.exit_code == 4
    assert app.asked == ("plan", SUBJECT)
    assert "instance order/one" in done.stderr
    assert "say --yes" in done.stderr


def test_with_a_yes_it_is_deleted_and_what_stays_is_listed(stepwell, app):
    done = stepwell("forget", "--subject", SUBJECT, "--yes")
    assert done.exit_code == 0
    assert app.asked == ("forget", SUBJECT)
    assert f"Deleted 1 instances of {SUBJECT}" in done.stdout
    assert "removed, and older versions cannot come back" in done.stdout
    table = [line.split() for line in done.stdout.splitlines() if "40-42" in line]
    assert table == [["stepwell.events", "3", "40-42", "2", "2026-01-08T00:00:00.000Z"]]
    assert "compaction" in done.stdout
    assert "worker.data_dir" in done.stderr


def test_the_answer_in_json(stepwell):
    done = stepwell("forget", "--subject", SUBJECT, "--yes", "--json")
    assert json.loads(done.stdout)["discarded"] == ["3:17"]


def test_ctrl_c_says_what_was_done(stepwell, app):
    app.stop_after = 1
    done = stepwell("forget", "--subject", SUBJECT, "--yes")
    assert done.exit_code == 130
    assert "Interrupted: 1 instances deleted. Ask again for the rest." in done.stderr
