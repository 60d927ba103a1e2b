"""`stepwell search`."""

import json

from stepwell.schemas.documents import SearchFilters
from stepwell.streams.index.errors import UnknownDocument
from stepwell.streams.ports import SearchMode


def test_words_are_one_query_and_filters_are_passed_on(stepwell, app):
    stepwell(
        "search",
        "login",
        "fails",
        "--type",
        "issue",
        "--repo",
        "acme/site",
        "--state",
        "open",
        "--label",
        "bug",
        "--label",
        "ui",
        "--limit",
        "3",
    )
    filters = SearchFilters(type="issue", repo="acme/site", state="open", labels=("bug", "ui"))
    assert app.asked == ("login fails", filters, 3, SearchMode.SEMANTIC)


def test_the_mode_is_passed_on_and_no_other_than_three_are_known(stepwell, app):
    stepwell("search", "login", "--mode", "hybrid")
    assert app.asked == ("login", SearchFilters(), 10, SearchMode.HYBRID)
    refused = stepwell("search", "login", "--mode", "magic")
    assert refused.exit_code == 2
    assert "semantic" in refused.stderr


def test_hits_are_a_table_that_payload_text_cannot_steer(stepwell):
    result = stepwell("search", "login")
    assert result.exit_code == 0
    assert "0.877" in result.stdout
    assert "acme/site#42" in result.stdout
    assert "Login fails [31mon Safari" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_hit_in_json_has_the_document_the_score_and_the_model(stepwell):
    (hit,) = json.loads(stepwell("search", "login", "--json").stdout)
    assert hit["document"]["key"] == "github:acme/site#42"
    assert hit["document"]["labels"] == ["bug"]
    assert hit["score"] == 0.87654
    assert hit["model"] == "all-MiniLM-L6-v2"


def test_nothing_found_is_no_failure(stepwell, app):
    app.hits = []
    result = stepwell("search", "login")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Nothing found" in result.stderr
    assert stepwell("search", "login", "--json").stdout == "[]\n"


def test_documents_like_one_are_asked_for_by_its_key_as_the_table_shows_it(stepwell, app):
    for key in ("acme/site#42", "github:acme/site#42"):
        result = stepwell("search", "--similar-to", key, "--state", "open", "--limit", "3")
        assert result.exit_code == 0
        assert "acme/site#42" in result.stdout
        assert app.asked == ("github:acme/site#42", SearchFilters(state="open"), 3)
    stepwell("search", "--similar-to", "note:7")
    assert app.asked == ("note:7", SearchFilters(), 10)
    both = stepwell("search", "login", "--similar-to", "note:7")
    assert (both.exit_code, "one of them" in both.stderr) == (2, True)


def test_a_document_that_the_index_does_not_hold_is_not_found(stepwell, app):
    app.error = UnknownDocument("note:7")
    result = stepwell("search", "--similar-to", "note:7")
    assert result.exit_code == 3
    assert "no document 'note:7'" in result.stderr
    assert "stepwell search" in result.stderr


def test_an_empty_query_and_an_impossible_limit_are_wrong_usage(stepwell):
    assert stepwell("search", " ").exit_code == 2
    assert stepwell("search").exit_code == 2
    assert stepwell("search", "login", "--limit", "0").exit_code == 2
