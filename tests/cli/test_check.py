"""`stepwell instances export` and `stepwell check`."""

import json

from stepwell.streams.views import CheckedHistory


def test_an_export_has_one_history_on_a_line_and_says_what_was_left_out(stepwell, app):
    result = stepwell("instances", "export", "one", "two", "--workflow", "order")
    assert app.asked == (("one", "two"), "order", False, False)
    assert result.stdout == '{"v":1}\n'
    assert "Left out: embed-issue/secret has sensitive results" in result.stderr


def test_an_export_goes_to_a_file(stepwell, app, tmp_path):
    file = tmp_path / "histories.jsonl"
    stepwell("instances", "export", "--all-running", "--output", str(file))
    assert app.asked == ((), None, True, False)
    assert file.read_bytes() == b'{"v":1}\n'


def test_an_export_of_nothing_is_wrong_usage(stepwell, app):
    result = stepwell("instances", "export")
    assert (result.exit_code, app.asked) == (2, ())
    assert "--all-running" in result.stderr


def test_a_check_that_agrees_ends_with_0(stepwell, app, tmp_path):
    file = tmp_path / "histories.jsonl"
    file.write_bytes(b"a\nb\n")
    app.checked = [CheckedHistory("order/one", ok=True)]
    result = stepwell("check", "--workflows", "shop:workflows", "--history", str(file))
    assert app.asked == ([b"a\n", b"b\n"],)
    assert app.settings.worker.workflows == "shop:workflows"
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split() == ["order/one", "ok"]


def test_a_divergence_is_shown_with_expected_and_found_and_ends_with_1(stepwell, app, tmp_path):
    file = tmp_path / "histories.jsonl"
    file.write_bytes(b"a\n")
    app.checked = [CheckedHistory("order/one", False, "step 'b-1'", "step 'a-1'")]
    result = stepwell("check", "--history", str(file))
    assert result.exit_code == 1
    assert "diverged  step 'b-1'        step 'a-1'" in result.stdout
    checked = json.loads(stepwell("check", "--history", str(file), "--json").stdout)
    assert checked[0]["found"] == "step 'a-1'"


def test_a_check_without_a_file_is_wrong_usage(stepwell):
    assert stepwell("check").exit_code == 2
