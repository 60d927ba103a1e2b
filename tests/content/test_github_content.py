"""A document as GitHub has it now, instead of as its event brought it."""

from dataclasses import replace

import pytest

from stepwell.schemas.documents import Document
from stepwell.schemas.github import comment_key
from stepwell.streams.bindings.errors import RefusedByService, WrongAnswer
from stepwell.streams.content.github import GithubSource

ISSUE = Document(
    key="github:acme/site#42",
    type="issue",
    repo="acme/site",
    number=42,
    title="Login fails",
    body="",
    state="open",
    url="https://github.com/acme/site/issues/42",
    updated_at="2026-01-02T03:04:05Z",
)
MILESTONE = replace(ISSUE, key="github:acme/site/milestone/3", type="milestone", number=3)
COMMENT = replace(ISSUE, key=comment_key("acme/site", 42, 7), type="comment", body="Same here.")
ANSWER = {
    "number": 42,
    "title": "Login fails on Safari",
    "body": None,
    "state": "closed",
    "html_url": "https://github.com/acme/site/issues/42",
    "labels": [{"name": "bug"}],
    "updated_at": "2026-01-03T00:00:00Z",
}


@pytest.fixture
def source(api):
    return GithubSource(api)


async def test_an_issue_is_fetched_as_it_is_now(source, github):
    github.says("/repos/acme/site/issues/42", ANSWER)
    assert await source.fetch(ISSUE) == replace(
        ISSUE,
        title="Login fails on Safari",
        state="closed",
        labels=("bug",),
        updated_at="2026-01-03T00:00:00Z",
    )


async def test_a_milestone_is_fetched_with_its_description(source, github):
    answer = ANSWER | {"number": 3, "title": "Faster", "description": "Below 100 ms."}
    github.says("/repos/acme/site/milestones/3", answer)
    found = await source.fetch(MILESTONE)
    assert (found.key, found.body) == (MILESTONE.key, "Below 100 ms.")


async def test_a_comment_is_fetched_and_keeps_the_title_of_its_issue(source, github):
    answer = {
        "body": "Same here, twice.",
        "html_url": "https://github.com/acme/site/issues/42#issuecomment-7",
        "updated_at": "2026-01-04T00:00:00Z",
    }
    github.says("/repos/acme/site/issues/comments/7", answer)
    found = await source.fetch(COMMENT)
    assert (found.key, found.title) == (COMMENT.key, "Login fails")
    assert (found.body, found.updated_at) == ("Same here, twice.", "2026-01-04T00:00:00Z")


async def test_what_is_not_of_github_is_given_back(source, github):
    order = replace(ISSUE, key="order:9", type="order")
    assert await source.fetch(order) == order
    assert github.calls == []


@pytest.mark.parametrize("status", [410, 301])
async def test_what_was_deleted_or_transferred_is_gone(source, github, status):
    github.says("/repos/acme/site/issues/42", status=status)
    assert await source.fetch(ISSUE) is None


async def test_what_is_not_in_a_repository_that_we_see_is_gone(source, github):
    github.says("/repos/acme/site", {"full_name": "acme/site"})
    assert await source.fetch(ISSUE) is None


async def test_nothing_is_gone_only_because_the_token_does_not_see_it(source):
    with pytest.raises(RefusedByService, match=r"may not see it.*nothing was removed"):
        await source.fetch(ISSUE)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(ISSUE, repo="../user"),
        replace(ISSUE, repo="acme/.."),
        replace(ISSUE, repo="acme/site?x="),
        replace(ISSUE, type="gist"),
        replace(COMMENT, key="github:acme/site#42/comment/../../7"),
    ],
    ids=["up", "up-again", "query", "type", "comment"],
)
async def test_parameters_cannot_lead_to_other_paths(source, github, wrong):
    with pytest.raises(RefusedByService):
        await source.fetch(wrong)
    assert github.calls == []


@pytest.mark.parametrize("answer", [[], {}, ANSWER | {"updated_at": "yesterday"}])
async def test_an_answer_of_another_shape_is_worth_another_try(source, github, answer):
    github.says("/repos/acme/site/issues/42", answer)
    with pytest.raises(WrongAnswer, match="github:acme/site#42"):
        await source.fetch(ISSUE)
