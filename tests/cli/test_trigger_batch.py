"""`stepwell trigger --batch`: an instance for each line of a file."""

import json

import pytest


def test_each_line_is_an_instance(stepwell, app, tmp_path):
    file = tmp_path / "orders.jsonl"
    file.write_text('{"id": "a", "params": {"n": 1}}\n\n{"params": [2]}\n{}\n')
    result = stepwell("trigger", "order", "--batch", str(file), "--lane", "bulk")
    assert app.asked == ("order", [("a", {"n": 1}), (None, [2]), (None, None)], "bulk")
    assert result.stdout == "Started 1 instances of order; 2 were there already.\n"


def test_lines_may_come_from_stdin_and_receipts_in_json(stepwell, app):
    result = stepwell("trigger", "order", "--batch", "-", "--json", stdin='{"id": "a"}')
    assert app.asked == ("order", [("a", None)], "live")
    assert [it["verdict"] for it in json.loads(result.stdout)] == ["accepted"]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('{"id": "a"}\n{bad', "line 2: Expecting property name"),
        ('{"id": "a", "parms": 1}', 'line 1: write {"id"'),
        ("[1]", "line 1"),
        ("", "no lines"),
    ],
)
def test_what_is_wrong_in_a_line_is_said_before_anything_is_started(stepwell, app, lines, says):
    result = stepwell("trigger", "order", "--batch", "-", stdin=lines)
    assert (result.exit_code, app.asked) == (2, ())
    assert says in result.stderr


@pytest.mark.parametrize("words", [("--id", "x"), ("--wait",), ("--params", "1"), ("1",)])
def test_a_batch_has_its_own_ids_and_parameters(stepwell, app, words):
    result = stepwell("trigger", "order", *words, "--batch", "-", stdin="{}")
    assert (result.exit_code, app.asked) == (2, ())


def test_an_interrupt_says_how_to_go_on(stepwell, app):
    app.error = KeyboardInterrupt()
    result = stepwell("trigger", "order", "--batch", "-", stdin="{}\n{}")
    assert result.exit_code == 130
    assert "1 of 2 lines were done" in result.stderr
