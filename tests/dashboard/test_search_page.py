"""The search page: results, filters in the address, similar documents, hostile texts."""

import re
from contextlib import asynccontextmanager
from html import unescape
from html.parser import HTMLParser

import aiohttp
import pytest
from aiohttp import web

from stepwell.streams.dashboard.app import dashboard
from stepwell.streams.dashboard.search import SearchPages, marked, web_address, words_of
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.operations import problems
from stepwell.streams.gateway.server import make_runner
from stepwell.streams.operator.searching import Searching, open_search
from stepwell.streams.settings import IndexSettings, ModelSettings, Settings
from tests.gateway.searched import NoInstances, document, fill, searching_in


class Page:
    """What a browser got."""

    def __init__(self, status: int, html: str, headers) -> None:
        self.status, self.html, self.headers = status, html, headers

    @property
    def titles(self) -> list[str]:
        found = re.findall(r"<h3>(.*?)</h3>", self.html, re.DOTALL)
        return [unescape(re.sub(r"<.*?>", "", one)) for one in found]

    @property
    def links(self) -> list[str]:
        return [unescape(it) for it in re.findall(r'<a[^>]* href="([^"]*)"', self.html)]


class Markup(HTMLParser):
    """The names of all attributes, and where the page leads to or loads from."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, _, attrs):
        self.names |= {name for name, _ in attrs}
        self.addresses += [value for name, value in attrs if name in ("href", "src", "action")]


@asynccontextmanager
async def served(search: Searching, token: str | None = None):
    app = web.Application(middlewares=[problems])
    add = dashboard(lambda site: SearchPages(site, search).routes())
    app.add_routes(add(app, Guard(token)))
    runner = make_runner(app, shutdown_timeout_s=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:

            async def get(path="/search", **params):
                options = {"params": params, "allow_redirects": False}
                async with session.get(path, **options) as answer:
                    return Page(answer.status, await answer.text(), answer.headers)

            yield get
    finally:
        await runner.cleanup()


@pytest.fixture
async def get(tmp_path):
    async with searching_in(tmp_path) as search, served(search) as client:
        yield client


async def test_without_a_question_the_page_says_how_to_ask(get):
    page = await get()
    assert page.status == 200
    assert 'role="search"' in page.html
    assert "stepwell search" in page.html
    assert page.titles == []


async def test_the_results_are_there_without_javascript(get):
    page = await get(q="login fails on firefox")
    assert page.titles[:2] == ["Login fails on Firefox", "Login fails on Safari"]
    assert "https://github.com/acme/site/issues/2" in page.links
    assert 'value="login fails on firefox"' in page.html
    assert "<mark>Firefox</mark>" in page.html


async def test_a_hit_leads_to_the_instance_that_brought_it_and_to_documents_like_it(get):
    page = await get(q="safari", mode="keyword")
    assert "/instances/embed-content/delivery-1" in page.links
    like = next(link for link in page.links if link.startswith("/search?like="))
    assert like == "/search?like=github%3Aacme%2Fsite%231"
    similar = await get(like)
    assert similar.titles[0] == "Login fails on Firefox"
    assert "Like Login fails on Safari" in similar.html


async def test_filters_and_mode_stay_in_the_form(get):
    page = await get(q="login", mode="hybrid", repo="acme/site", state="closed", label="bug")
    assert page.titles == ["Login fails on Firefox"]
    assert re.search(r'value="hybrid" checked', page.html)
    assert 'value="acme/site"' in page.html
    assert re.search(r'<details id="search-filters" open>', page.html)


async def test_every_page_has_a_json_twin(get):
    page = await get(q="login", label="bug", state="open")
    twin = "/api/v1/search?q=login&mode=semantic&state=open&label=bug&limit=10"
    assert twin in page.links
    like = await get(like="github:acme/site#1")
    assert "/api/v1/documents/github%3Aacme%2Fsite%231/similar?limit=10" in like.links


async def test_nothing_found_says_what_to_try(get):
    page = await get(q="zebra", mode="keyword")
    assert "Nothing found" in page.html


async def test_a_wrong_query_is_said_in_words(get):
    page = await get(q="login", mode="magic")
    assert page.status == 422
    assert "mode: one of semantic, keyword, hybrid" in page.html
    assert 'value="login"' in page.html


async def test_a_document_that_is_gone_is_said(get):
    page = await get(like="github:acme/site#99")
    assert page.status == 404
    assert "no such document" in page.html


async def test_without_a_model_the_page_says_what_to_do(tmp_path):
    settings = Settings(
        index=IndexSettings(url=f"sqlite://{tmp_path}/index.db"),
        model=ModelSettings(dir=tmp_path / "no-model"),
    )
    async with open_search(settings, NoInstances()) as search, served(search) as get:
        page = await get(q="login")
    assert page.status == 503
    assert "stepwell model pull" in page.html


async def test_what_passes_is_worth_asking_again(tmp_path):
    async with searching_in(tmp_path, running_max=0) as search, served(search) as get:
        page = await get(q="login")
    assert (page.status, page.headers["Retry-After"]) == (503, "5")
    assert "Too many searches at once" in page.html


async def test_without_a_session_a_visitor_is_led_to_the_login(tmp_path):
    async with searching_in(tmp_path) as search, served(search, token="secret") as get:
        page = await get(q="login")
    assert page.status == 303
    assert page.headers["Location"] == "/login?next=%2Fsearch%3Fq%3Dlogin"


HOSTILE = "<script>alert('dough')</script>"


async def test_hostile_documents_and_queries_are_text(get):
    page = await get(q=HOSTILE)
    assert HOSTILE in page.titles
    assert "<script>alert" not in page.html
    assert "<img src=x" not in page.html
    markup = Markup()
    markup.feed(page.html)
    assert markup.names.isdisjoint({"style", "onerror", "onclick"})
    assert all(it.startswith(("/", "https://", "#", "data:")) for it in markup.addresses)
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"]


async def test_a_long_document_is_shown_around_what_was_looked_for(tmp_path):
    long = document(7, "Manual", body="before " * 90 + "needle" + " after" * 500)
    async with searching_in(tmp_path) as search:
        targets = await search._targets.get()
        await fill(targets, [long])
        async with served(search) as get:
            page = await get(q="needle", mode="keyword")
    assert "<mark>needle</mark>" in page.html
    assert len(page.html) < 20_000


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com/a", "https://example.com/a"),
        ("HTTP://example.com", "HTTP://example.com"),
        ("javascript:alert(1)", ""),
        (" javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//example.com", ""),
        ("", ""),
    ],
)
def test_only_addresses_of_the_web_become_links(url, expected):
    assert web_address(url) == expected


def test_words_of_the_query_are_marked_whole():
    assert marked("Log in, Login!", words_of("login")) == (
        ("Log in, ", False),
        ("Login", True),
        ("!", False),
    )
    assert marked("a.b", words_of(".* (")) == (("a.b", False),)
    assert marked("", ["x"]) == ()
