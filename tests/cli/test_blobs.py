"""`stepwell blobs prune`: says what would be deleted, asks, deletes."""

import json

DAY_MS = 86_400_000


def test_without_execute_nothing_is_deleted_and_it_is_said_what_would_be(stepwell, app):
    done = stepwell("blobs", "prune")
    assert done.exit_code == 0
    assert app.asked == ("plan", 7 * DAY_MS)
    assert [line.split(":") for line in done.stdout.splitlines()] == [
        ["Folder", "          /srv/blobs[31m"],
        ["Blobs", "           6 files, 600 bytes"],
        ["Too young", "       1 files, 100 bytes"],
        ["Referenced", "      3 files, 300 bytes"],
        ["Unreferenced", "    2 files, 200 bytes"],
        ["Left-over parts", " 1 files, 7 bytes"],
    ]
    assert "Nothing was deleted: this was a dry run. Add --execute to do it." in done.stderr


def test_a_yes_alone_is_still_a_dry_run(stepwell, app):
    done = stepwell("blobs", "prune", "--yes", "--json")
    assert app.asked == ("plan", 7 * DAY_MS)
    assert json.loads(done.stdout)["deleted"] is None


def test_without_a_terminal_and_a_yes_nothing_is_deleted(stepwell, app):
    done = stepwell("blobs", "prune", "--execute")
    assert (done.exit_code, done.stdout) == (4, "")
    assert app.asked == ("plan", 7 * DAY_MS)
    assert "Delete 3 files of /srv/blobs[31m, which 127.0.0.1:9092 does not name?" in done.stderr


def test_with_a_yes_it_is_deleted(stepwell, app):
    done = stepwell("blobs", "prune", "--older-than", "2d", "--execute", "--yes")
    assert done.exit_code == 0
    assert app.asked == ("prune", 2 * DAY_MS)
    assert done.stdout.splitlines()[-1] == "Deleted:         3 files, 207 bytes"
    assert "dry run" not in done.stderr


def test_the_answer_in_json(stepwell):
    done = stepwell("blobs", "prune", "--execute", "--yes", "--json")
    pruned = json.loads(done.stdout)
    assert pruned["unreferenced"] == {"files": 2, "size_bytes": 200}
    assert pruned["deleted"] == {"files": 3, "size_bytes": 207}


def test_less_than_an_hour_is_refused(stepwell, app):
    done = stepwell("blobs", "prune", "--older-than", "59m", "--execute", "--yes")
    assert done.exit_code == 2
    assert "at least 1h" in done.stderr
    assert app.asked == ()
    assert stepwell("blobs", "prune", "--older-than", "1h").exit_code == 0


def test_ctrl_c_says_how_many_are_gone(stepwell, app):
    app.stop_pruning_after = 2
    done = stepwell("blobs", "prune", "--execute", "--yes")
    assert done.exit_code == 130
    assert "Interrupted: 2 files were deleted. Ask again for the rest." in done.stderr
