"""`stepwell index`: what is asked of the app, and what people and machines read."""

import json

import pytest

from stepwell.streams.index.errors import CollectionBehind, CollectionInUse, UnknownCollection


def test_collections_are_listed_with_their_models(stepwell):
    done = stepwell("index", "list")
    assert done.exit_code == 0
    header, current, other = done.stdout.splitlines()
    assert header.split() == ["NAME", "MODEL", "DIMENSION", "DOCUMENTS", "CURRENT"]
    assert current.split() == ["StepwellDocument", "mini@1", "384", "1200", "yes"]
    assert other.split() == ["Next[31m", "large@1", "1024", "1100"]


def test_machines_read_json(stepwell):
    done = stepwell("index", "list", "--json")
    current, other = json.loads(done.stdout)
    assert (current["current"], other["current"]) == (True, False)
    assert other["documents"] == 1100


def test_a_collection_is_made_for_a_model_and_the_next_command_is_named(stepwell, app):
    done = stepwell("index", "create", "Next", "--model", "bge-m3")
    assert app.asked == ("Next", "bge-m3")
    assert "stepwell reindex --into Next" in done.stdout


def test_a_collection_needs_a_model(stepwell):
    assert stepwell("index", "create", "Next").exit_code == 2


@pytest.mark.parametrize("incomplete", [False, True])
def test_searches_change_over(stepwell, app, incomplete):
    done = stepwell("index", "switch", "Next", *(["--incomplete"] if incomplete else []))
    assert app.asked == ("Next", incomplete)
    assert done.stdout.startswith("Searches go to Next")
    assert "\x1b" not in done.stdout


def test_nothing_is_deleted_without_a_yes(stepwell, app):
    done = stepwell("index", "drop", "Next")
    assert (done.exit_code, app.asked) == (4, ())


def test_a_collection_is_deleted(stepwell, app):
    done = stepwell("index", "drop", "Next", "--yes")
    assert app.asked == ("Next",)
    assert "1100 documents" in done.stdout


@pytest.mark.parametrize(
    ("error", "code", "advice"),
    [
        (UnknownCollection("Nxt", ("Documents",)), 3, "stepwell index list"),
        (CollectionInUse("Next"), 4, "index switch"),
        (CollectionBehind("Next", 3, "Documents", 5), 4, "--incomplete"),
    ],
)
def test_what_is_refused_says_what_to_do(stepwell, app, error, code, advice):
    app.error = error
    done = stepwell("index", "switch", "Next")
    assert done.exit_code == code
    assert advice in done.stderr
