"""A repository of GitHub is read page by page from its API: issues, then milestones."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from stepwell.streams.bindings.http import Http
from stepwell.streams.content.github_api import GithubApi
from stepwell.streams.testing import DidNotComplete, WorkflowTest
from stepwell.streams.workflows import reindex_github
from stepwell.streams.workflows.reindex import Reindex, ReindexDocuments
from tests.reindex.conftest import ReindexWorld

REPO = "acme/site"
TASK = Reindex(f"github:{REPO}", repo=REPO)


@dataclass
class LocalGithub:
    """Answers as GitHub does."""

    issues: list[dict[str, Any]] = field(default_factory=list)
    milestones: list[dict[str, Any]] = field(default_factory=list)
    unavailable: int = 0
    """How many calls are answered with 502."""
    passed_over: tuple[int, ...] = ()
    """Numbers that are on no page."""
    asked: list[str] = field(default_factory=list)

    async def page(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        if self.unavailable:
            self.unavailable -= 1
            raise web.HTTPBadGateway
        size, number = int(request.query["per_page"]), int(request.query["page"])
        items = getattr(self, request.match_info["kind"])
        found = [item for item in items if item["number"] not in self.passed_over]
        headers = {}
        if len(found) > size * number:
            headers["Link"] = f'<{request.url.update_query(page=number + 1)}>; rel="next"'
        return web.json_response(found[size * (number - 1) : size * number], headers=headers)

    async def one(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        for item in getattr(self, request.match_info["kind"]):
            if item["number"] == number:
                return web.json_response(item)
        raise web.HTTPNotFound


def item(number: int, **fields: Any) -> dict[str, Any]:
    """An issue or a milestone."""
    return {
        "number": number,
        "title": f"Title {number}",
        "body": "It does.",
        "state": "open",
        "labels": [],
        "html_url": f"https://github.com/{REPO}/issues/{number}",
        "updated_at": "2026-01-02T03:04:05Z",
    } | fields


@asynccontextmanager
async def serving(github: LocalGithub) -> AsyncIterator[GithubApi]:
    app = web.Application()
    path = f"/repos/{REPO}/{{kind}}"
    app.add_routes([web.get(path, github.page), web.get(f"{path}/{{number}}", github.one)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with Http(private=True) as http:
            yield GithubApi(http, f"http://{host}:{port}")
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reindex_github, "PER_PAGE", 2)


async def test_issues_and_milestones_are_stored_and_pull_requests_left_out(world: ReindexWorld):
    github = LocalGithub([item(1), item(2, pull_request={}), item(3), item(4), item(5)], [item(1)])
    async with serving(github) as world.github:
        done = await world.run(TASK)
    assert (done.stored, done.failed) == (5, 0)
    found = (await world.index.scan()).found
    assert [entry.key for entry in found] == [
        "github:acme/site#1",
        "github:acme/site#3",
        "github:acme/site#4",
        "github:acme/site#5",
        "github:acme/site/milestone/1",
    ]


async def test_it_stops_soon_after_the_last_page(world: ReindexWorld):
    github = LocalGithub([item(n) for n in range(1, 8)])
    async with serving(github) as world.github:
        await world.run(TASK)
    assert len(github.asked) <= 4 + 1 + 2


async def test_a_page_that_fails_is_asked_for_again(world: ReindexWorld):
    github = LocalGithub([item(n) for n in range(1, 5)], unavailable=3)
    async with serving(github) as world.github:
        assert (await world.run(TASK)).stored == 4


async def test_an_item_that_is_none_is_counted(world: ReindexWorld):
    github = LocalGithub([item(1, title=None), item(2)])
    async with serving(github) as world.github:
        done = await world.run(TASK)
    assert (done.stored, done.failed) == (1, 1)
    assert done.failures[0].document == "issue 1"


async def test_a_repository_that_is_not_there_ends_it(world: ReindexWorld):
    async with (
        serving(LocalGithub()) as world.github,
        WorkflowTest(ReindexDocuments, env=world.bindings()) as test,
    ):
        handle = await test.start(ReindexDocuments, Reindex("github:no/repo", repo="no/repo"))
        with pytest.raises(DidNotComplete, match="404 nothing at /repos/no/repo/issues"):
            await handle.result()


async def test_what_was_passed_over_is_asked_for_before_it_is_removed(world: ReindexWorld):
    github = LocalGithub([item(1), item(2), item(3)])
    async with serving(github) as world.github:
        await world.run(TASK)
        github.issues, github.passed_over = [item(1), item(3)], (3,)
        done = await world.run(Reindex(TASK.source, repo=REPO, prune=True))
    assert done.pruned == 1
    assert [entry.key[-1] for entry in (await world.index.scan()).found] == ["1", "3"]
