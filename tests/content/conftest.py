"""A GitHub of our own on loopback, with a clock that stands still."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from stepwell.streams.bindings.http import Http
from stepwell.streams.content.github_api import GithubApi

TOKEN = "ghp_a-secret-token"


@dataclass
class GitHub:
    """Answers by path; remembers what it was asked, and by which headers."""

    answers: dict[str, web.Response] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    now_s: float = 1_800_000_000.0

    def says(self, path: str, body: object = None, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = web.json_response(body, status=status, headers=named)

    async def handle(self, request: web.Request) -> web.Response:
        self.calls.append((request.path_qs, dict(request.headers)))
        known = self.answers.get(request.path_qs)
        if known is None:
            return web.json_response({"message": "Not Found"}, status=404)
        if known.headers.get("ETag") == request.headers.get("If-None-Match", "none"):
            return web.Response(status=304, headers={"ETag": known.headers["ETag"]})
        return web.Response(
            body=known.body, status=known.status, headers=known.headers, reason=known.reason
        )

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.calls]


@pytest.fixture
async def github() -> AsyncIterator[GitHub]:
    ours = GitHub()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", ours.handle)
    async with TestServer(application) as server:
        ours.url = str(server.make_url("/")).rstrip("/")
        yield ours


@pytest.fixture
async def api(github: GitHub) -> AsyncIterator[GithubApi]:
    async with Http(private=True) as http:
        yield GithubApi(
            http, github.url, TOKEN, now_s=lambda: github.now_s, spread=lambda low, high: low
        )
