"""`stepwell doctor`, `stepwell topics`, `stepwell model`."""

import json
from pathlib import Path

from stepwell.streams.views import Check

BROKEN = Check("index", False, "no answer from 127.0.0.1:8080", "scripts/weaviate start")


def test_the_doctor_ends_with_0_when_all_is_well(stepwell):
    result = stepwell("doctor")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split() == ["ok", "broker", "3.9", "ms"]


def test_the_doctor_ends_with_1_and_advice_when_something_is_not(stepwell, app):
    app.checks.append(BROKEN)
    result = stepwell("doctor")
    assert result.exit_code == 1
    assert "FAIL  index   no answer from 127.0.0.1:8080  scripts/weaviate start" in result.stdout
    assert json.loads(stepwell("doctor", "--json").stdout)[1]["advice"] == BROKEN.advice


def test_topics_that_were_created_are_named(stepwell, app):
    app.created = ["stepwell.events"]
    assert "Created stepwell.events\n" in stepwell("topics", "ensure").stdout
    assert json.loads(stepwell("topics", "ensure", "--json").stdout) == {
        "created": ["stepwell.events"]
    }


def test_a_model_is_pulled_into_the_cache_or_where_it_is_told(stepwell, models, tmp_path):
    result = stepwell("model", "pull")
    assert (result.stdout, result.stderr) == ("cache/all-MiniLM-L6-v2\n", "fetching\n")
    assert models.asked == ("all-MiniLM-L6-v2", None, None)
    result = stepwell("model", "pull", "--model-dir", str(tmp_path), "--json")
    assert json.loads(result.stdout) == {"model": "all-MiniLM-L6-v2", "directory": str(tmp_path)}


def test_a_model_may_be_taken_from_a_directory_that_exists(stepwell, models, tmp_path):
    stepwell("model", "pull", "--from", str(tmp_path))
    assert models.asked == ("all-MiniLM-L6-v2", None, tmp_path)
    assert stepwell("model", "pull", "--from", str(tmp_path / "missing")).exit_code == 2


def test_an_unknown_model_ends_with_3_and_the_known_ones(stepwell):
    result = stepwell("model", "pull", "--set", "model.id=gpt")
    assert result.exit_code == 3
    assert "all-MiniLM-L6-v2" in result.stderr


def test_a_good_model_is_verified_with_figures(stepwell, models):
    result = stepwell("model", "verify")
    assert result.exit_code == 0
    assert "dimension:            384\n" in result.stdout
    assert models.asked == (Path("cache/all-MiniLM-L6-v2"),)


def test_a_bad_model_ends_with_1(stepwell, models):
    models.passed = False
    result = stepwell("model", "verify", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["passed"] is False
