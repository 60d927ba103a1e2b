"""The site of the puns: what visitors see, and a pun on its way from the form to the list."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from stepwell.streams.bindings.database import SqliteDatabase
from stepwell.streams.bindings.language import LocalModel
from stepwell.streams.errors import BrokerUnavailable, IndexUnavailable
from stepwell.streams.examples.publish_pun import Bindings, PublishPun, Submitted
from stepwell.streams.examples.pun_site.book import TABLES, PunBook
from stepwell.streams.examples.pun_site.handing import HandingOver, instance_of
from stepwell.streams.examples.pun_site.neighbours import Neighbours
from stepwell.streams.examples.pun_site.shelf import Shelf, open_shelf
from stepwell.streams.examples.pun_site.site import SUBMISSIONS, PunSite
from stepwell.streams.examples.pun_site.texts import categories, number_of, verdict
from stepwell.streams.gateway.server import make_runner
from stepwell.streams.index.batched import BatchedIndex
from stepwell.streams.index.everywhere import EveryCollection
from stepwell.streams.settings import IndexSettings, Settings
from stepwell.streams.testing import WorkflowTest

DOUGH = "A baker kneads his dough, and his dough needs him"
BAKER = "I used to be a baker, but I could not make enough dough"
RUDE = "A damn bad pun about a beaver"
HOSTILE = "<script>alert('pun')</script> & <img src=x onerror=alert(1)>"


@dataclass
class Page:
    """What a browser got."""

    status: int
    html: str
    headers: dict = field(repr=False)

    @property
    def text(self) -> str:
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.html)).split())

    @property
    def hint(self) -> str | None:
        found = re.search(r'data-hint="(\w+)"', self.html)
        return found and found[1]


@dataclass
class Site:
    """A running site, the workflow behind it, and a client."""

    book: PunBook
    handing: HandingOver
    test: WorkflowTest
    session: aiohttp.ClientSession
    started: list[int]
    database: SqliteDatabase
    up: bool = True

    async def get(self, path: str, **params: str) -> Page:
        async with self.session.get(path, params=params, allow_redirects=False) as answer:
            return Page(answer.status, await answer.text(), dict(answer.headers))

    async def post(self, text: str, **headers: str) -> Page:
        headers = {"Origin": str(self.session._base_url).rstrip("/")} | headers
        form = {"data": {"text": text}, "headers": headers, "allow_redirects": False}
        async with self.session.post("/puns", **form) as answer:
            return Page(answer.status, await answer.text(), dict(answer.headers))

    async def start(self, number: int) -> None:
        """As the gateway does: what runs already is fine."""
        if not self.up:
            raise BrokerUnavailable("gateway: it is away")
        self.started.append(number)
        if number not in {int(it.id.removeprefix("pun-")) for it in self.test.instances()}:
            await self.test.start(PublishPun, Submitted(number), id=instance_of(number))

    async def moderate(self) -> None:
        """Let the workflow do what it can."""
        await self.handing.hand_over()
        await self.test.run_until_idle()

    async def publish(self, *texts: str) -> None:
        for text in texts:
            await self.book.add(text)
        await self.moderate()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Site]:
    settings = Settings(index=IndexSettings(url=f"sqlite://{folder}/index.db"))
    database = SqliteDatabase(folder / "puns.db", TABLES)
    book = PunBook(database)
    async with open_shelf(settings, words=True) as targets:
        shelf = Shelf(targets)
        current = await shelf.current()
        index = BatchedIndex(EveryCollection(targets))
        models = LocalModel(verdict), LocalModel(categories)
        env = Bindings(database, current.embedder, index, *models)
        async with WorkflowTest(PublishPun, env=env) as test:
            site: Site

            async def start(number: int) -> None:
                await site.start(number)

            handing = HandingOver(book, start)
            app = PunSite(book, Neighbours(shelf.current), handing).app()
            runner = make_runner(app, shutdown_timeout_s=1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
                site = Site(book, handing, test, session, [], database)
                yield site
            await runner.cleanup()
        await index.close()
    database.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path) as started:
        yield started


async def test_a_pun_is_submitted_moderated_and_appears(site: Site):
    await site.publish(BAKER)
    answer = await site.post(DOUGH)
    assert answer.status == 303
    place = answer.headers["Location"]
    assert "With the moderator" in (await site.get(place)).text
    assert DOUGH not in (await site.get("/")).text

    await site.moderate()
    page = await site.get(place)
    assert 'data-status="published"' in page.html
    assert "baking" in page.text
    assert BAKER in page.text  # a similar one
    assert DOUGH in (await site.get("/")).text


async def test_a_pun_that_moderation_refuses_does_not_appear_and_its_author_is_told_why(site: Site):
    place = (await site.post(RUDE)).headers["Location"]
    await site.moderate()
    page = await site.get(place)
    assert "Not published. The moderator says: rude: damn" in page.text
    assert RUDE not in (await site.get("/")).text


async def test_a_double_click_posts_one_pun(site: Site):
    answers = await asyncio.gather(*(site.post(DOUGH) for _ in range(2)))
    assert len({answer.headers["Location"] for answer in answers}) == 1
    await asyncio.gather(site.moderate(), site.moderate())
    assert len(site.test.instances()) == 1
    assert (await site.get("/")).html.count("A baker kneads") == 1


async def test_the_same_words_again_lead_to_the_pun_that_is_there(site: Site):
    await site.publish(DOUGH)
    answer = await site.post(f"  {DOUGH.upper()}\n")
    assert answer.headers["Location"] == f"/puns/{number_of(DOUGH)}"
    assert len((await site.book.published(limit=9)).puns) == 1


async def test_a_preview_shows_similar_puns_and_stores_nothing(site: Site):
    await site.publish(DOUGH)
    page = await site.get("/new", text="baking the dough")
    assert (page.status, page.hint) == (200, "fine")
    assert DOUGH in page.text
    assert "baking" in page.text
    assert await site.book.drafts(9) == []


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (DOUGH, "there"),
        (RUDE, "objection"),
        ("see https://example.com for more", "objection"),
        ("AAAAAAAAAAAAAAAAAAAAA", "objection"),
        ("short", "refused"),
        ("long " * 100, "refused"),
        ("a perfectly fine pun", "fine"),
    ],
)
async def test_a_preview_says_what_would_become_of_the_pun(site: Site, typed: str, hint: str):
    await site.publish(DOUGH)
    page = await site.get("/new", text=typed)
    assert (page.status, page.hint) == (200, hint)


async def test_without_a_text_there_is_no_preview(site: Site):
    assert (await site.get("/new", text=" \u200b\u202e ")).hint is None


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("short", "at least 10 characters; this has 5"),
        ("x" * 281, "at most 280 characters; this has 281"),
        ("", "at least 10"),
    ],
)
async def test_a_text_that_is_no_pun_is_refused_and_not_lost(site: Site, typed: str, told: str):
    page = await site.post(typed)
    assert page.status == 422
    assert told in page.text
    assert f">{typed}</textarea>" in page.html
    assert await site.book.drafts(9) == []


async def test_a_body_that_is_much_too_large_is_refused(site: Site):
    page = await site.post("x" * 40_000)
    assert page.status == 413
    assert "All puns" in page.text


async def test_a_form_of_another_site_posts_nothing(site: Site):
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        page = await site.post(DOUGH, **headers)
        assert page.status == 403
    assert await site.book.drafts(9) == []


async def test_many_puns_at_once_are_too_many(site: Site):
    for number in range(SUBMISSIONS):
        assert (await site.post(f"pun number {number} of many")).status == 303
    page = await site.post("one pun more than many")
    assert page.status == 429
    assert int(page.headers["Retry-After"]) > 0
    assert "Try again in" in page.text
    assert (await site.post("pun number 0 of many")).status == 303  # nothing new


async def test_hostile_texts_are_text(site: Site):
    await site.publish(HOSTILE)
    number = number_of(HOSTILE)
    pages = [
        await site.get("/"),
        await site.get(f"/puns/{number}"),
        await site.get("/new", text=f"{HOSTILE}!"),
        await site.get("/", q=HOSTILE),
        await site.post(f'"> {HOSTILE}' * 9),
    ]
    for page in pages:
        assert HOSTILE in unescape(page.html)
        check = Markup()
        check.feed(page.html)
        assert check.names.isdisjoint({"style", "onerror", "onclick", "onload"})
        assert all(it.startswith(("/", "#")) for it in check.addresses)
        assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


class Markup(HTMLParser):
    """The names of all attributes, and where the page leads to or loads from."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {name for name, _ in attrs}
        named = ("href", "src", "action", "formaction")
        self.addresses += [value or "" for name, value in attrs if name in named]


async def test_while_the_gateway_is_away_puns_are_kept_and_handed_over_later(site: Site):
    site.up = False
    place = (await site.post(DOUGH)).headers["Location"]
    assert not await site.handing.hand_over()
    assert "With the moderator" in (await site.get(place)).text
    site.up = True
    await site.moderate()
    assert 'data-status="published"' in (await site.get(place)).html
    assert site.started == [number_of(DOUGH)]
    await site.moderate()
    assert len(site.started) == 1


async def test_while_the_table_is_away_pages_say_so(site: Site):
    site.database.close()
    for path in ("/", "/puns/1", "/new?text=a+perfectly+fine+pun"):
        page = await site.get(path)
        assert page.status == 503
        assert "Try again in a moment" in page.text
    assert (await site.post(DOUGH)).status == 503


async def test_the_list_goes_on_page_by_page(site: Site):
    await site.publish(*(f"pun number {number} of twenty-one" for number in range(21)))
    first = await site.get("/")
    following = re.search(r'href="(/\?after=[^"]+)"', first.html)
    assert following
    second = await site.get(unescape(following[1]))
    found = [set(re.findall(r"pun number \d+", page.html)) for page in (first, second)]
    assert [len(one) for one in found] == [20, 1]
    assert found[0].isdisjoint(found[1])
    for nonsense in ("x", "~", "~" + "9" * 30, "' OR 1=1 --~1"):
        assert (await site.get("/", after=nonsense)).status == 200


async def test_puns_are_found_by_what_they_are_about(site: Site):
    await site.publish(DOUGH, BAKER)
    page = await site.get("/", q="needs dough")
    assert page.text.index(DOUGH) < page.text.index(BAKER)
    assert "No pun comes near that" in (await site.get("/", q="zebra")).text


@pytest.mark.parametrize("path", ["/puns/1", "/puns/x", "/puns/٣", "/puns/" + "9" * 40, "/nope"])
async def test_what_is_not_there_is_a_page_that_says_so(site: Site, path: str):
    page = await site.get(path)
    assert page.status == 404
    assert "All puns" in page.text
    assert "Content-Security-Policy" in page.headers


async def test_a_method_that_a_page_does_not_take(site: Site):
    async with site.session.delete("/") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")


async def test_without_its_index_the_site_still_shows_and_takes_puns(tmp_path: Path):
    async def away():
        raise IndexUnavailable("index is away")

    database = SqliteDatabase(tmp_path / "puns.db", TABLES)
    book = PunBook(database)
    handing = HandingOver(book, lambda _: asyncio.sleep(0))
    runner = make_runner(PunSite(book, Neighbours(away), handing).app(), shutdown_timeout_s=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    number = await book.add(DOUGH)
    async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
        for path in (f"/puns/{number}", "/new?text=the+baker+kneads", "/?q=baker"):
            async with session.get(path) as answer:
                assert answer.status == 200
                assert "cannot be looked up right now" in await answer.text()
    await runner.cleanup()
    database.close()


async def test_the_first_puns_are_there_once(site: Site):
    await site.book.add_first_puns()
    before = await site.book.drafts(99)
    await site.book.add_first_puns()
    assert await site.book.drafts(99) == before
    assert len(before) > 10
