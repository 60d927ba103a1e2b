"""What comes from outside is shown as text, and what pages may do is narrow."""

import json
import re
from html.parser import HTMLParser
from io import BytesIO
from urllib.parse import quote

import pytest

from stepwell.schemas.commands import EventReceived
from stepwell.schemas.journal import InstanceCreated, InstanceErrored, StepFailed, StepSucceeded
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.dashboard.files import FOLDER as STATIC
from stepwell.streams.dashboard.rendering import FOLDER as TEMPLATES
from stepwell.streams.gateway.guards import Guard
from tests.dashboard.conftest import NOW_MS, origin, running_site

TOKEN, READ_TOKEN = "a long random token", "a token to look"
CORPUS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "<!--",
    "]]>",
    "&lt;b&gt;",
    "\u202etxt.exe",
    "a\0b",
    "<\u200bscript>",
    "</script><script>alert(1)</script>",
    "<a href='//evil.example/'>x</a>",
)


class Markup(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self):
        super().__init__()
        self.elements = []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))


def elements(page):
    parser = Markup()
    parser.feed(page)
    return parser.elements


def shape(page):
    """The elements and names of attributes: what the markup is, without its texts."""
    return [(tag, tuple(attributes)) for tag, attributes in elements(page)]


async def infested(site, evil):
    """An instance all of whose texts are the same; where its page is."""
    name = re.sub("[{}]", "", evil)  # no instance has such an id: aiohttp does not route it
    key = f"order/{name}"
    run = await site.put(key, InstanceCreated({evil: evil}, NOW_MS - 9_000, origin(evil)))
    await site.put(key, StepSucceeded(run, evil, 1, 1, 0, 1, 2, {evil: [evil]}, call=1))
    error = ErrorInfo(evil, evil)
    await site.put(key, StepFailed(run, f"{evil}2", 1, 1, 0, 1, 2, error, call=2))
    await site.put(key, EventReceived(evil, evil, 3, evil))
    await site.put(key, InstanceErrored(run, 0, NOW_MS, error))
    return f"/instances/order/{quote(name, safe='')}"


@pytest.mark.parametrize("evil", CORPUS)
async def test_texts_from_outside_never_become_markup(evil):
    async with running_site() as harmless, running_site() as site:
        same_length = "h" * (len(json.dumps(evil, ensure_ascii=False)) - 2)
        expected = shape(await harmless.get(await infested(harmless, same_length)))
        path = await infested(site, evil)
        page = await site.get(path)
        assert shape(page) == expected
        assert all(
            not (attributes.get(name) or "").strip().lower().startswith("javascript:")
            for _, attributes in elements(page)
            for name in ("href", "src", "action")
        )
        query = f"?text={quote(evil)}&status={quote(evil)}&workflow={quote(evil)}&{quote(evil)}=1"
        expected = shape(await site.get("/instances?text=a&status=a&workflow=a&a=1", status=422))
        assert shape(await site.get(f"/instances{query}", status=422)) == expected


async def test_every_page_has_the_strict_policy(site):
    await site.tell_status("running")
    for path in ("/instances", "/instances/order/running", "/nowhere", "/login"):
        async with site.session.get(
            path, headers={"Accept": "text/html"}, allow_redirects=False
        ) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert answer.headers["Cache-Control"] == "no-store"


def test_no_template_has_what_the_policy_refuses():
    for template in TEMPLATES.glob("*.html"):
        text = template.read_text()
        assert not re.search(r"\sstyle\s*=|\son[a-z]+\s*=|<style|javascript:|\|\s*safe\b", text), (
            template.name
        )
        for attributes in re.findall(r"<script([^>]*)>", text):
            assert "src=" in attributes, template.name


def test_no_file_asks_another_host():
    for file in (*STATIC.iterdir(), *TEMPLATES.iterdir()):
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"""["'(]\s*(?:https?:)?//[a-z]""", text), file.name


class TestForms:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none"},
        ],
    )
    async def test_a_form_of_another_site_is_refused(self, site, headers):
        await site.tell_status("running")
        status, _, _ = await site.post("/instances/order/running/pause", headers=headers)
        assert status == 403
        assert "s-running" in await site.get("/instances/order/running")

    async def test_what_is_no_form_is_refused(self, site):
        await site.tell_status("running")
        async with site.session.post(
            "/instances/order/running/pause", json={}, headers={"Origin": site.url}
        ) as answer:
            assert answer.status == 415

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"a=\xff", "application/x-www-form-urlencoded"),
            (b"x", "multipart/form-data"),
            (b"x", "multipart/form-data; boundary=y"),
            (b"a=b", "application/x-www-form-urlencoded; charset=no-such-charset"),
        ],
    )
    async def test_a_body_that_is_no_form_is_refused(self, site, body, content_type):
        await site.tell_status("running")
        headers = {"Origin": site.url, "Content-Type": content_type}
        async with site.session.post(
            "/instances/order/running/pause", data=body, headers=headers
        ) as answer:
            assert answer.status == 400

    async def test_a_field_that_is_there_twice_or_a_file_is_refused(self, site):
        await site.tell_status("running")
        path = "/instances/order/running/pause"
        assert (await site.post(path, [("reason", "a"), ("reason", "b")]))[0] == 422
        assert (await site.post(path, {"reason": BytesIO(b"bytes")}))[0] == 422


@pytest.fixture
async def closed():
    """A dashboard that has tokens."""
    async with running_site(guard=Guard(TOKEN, READ_TOKEN)) as site:
        await site.tell_status("running")
        yield site


class TestLogin:
    async def test_without_a_session_every_page_leads_to_the_login(self, closed):
        for path in ("/", "/instances?status=running", "/instances/order/running"):
            async with closed.session.get(path, allow_redirects=False) as answer:
                assert answer.status == 303
                assert answer.headers["Location"] == "/login?next=" + quote(path, safe="")
        assert "Instances</a>" not in await closed.get("/login")

    async def test_a_token_opens_the_pages_and_leads_back(self, closed):
        page = await closed.get("/login?next=/instances/order/running")
        assert 'name="next" value="/instances/order/running"' in page
        fields = {"token": TOKEN, "next": "/instances/order/running"}
        status, place, _ = await closed.post("/login", fields)
        assert (status, place) == (303, "/instances/order/running")
        assert "Sign out" in await closed.get(place)
        status, place, _ = await closed.post(f"{place}/pause", {"reason": "r"})
        assert status == 303

    async def test_the_cookie_is_kept_from_scripts_and_other_sites(self, closed):
        async with closed.session.post(
            "/login", data={"token": TOKEN}, headers={"Origin": closed.url}, allow_redirects=False
        ) as answer:
            cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie

    async def test_who_may_only_read_has_no_buttons_and_may_not_post(self, closed):
        await closed.post("/login", {"token": READ_TOKEN})
        page = await closed.get("/instances/order/running")
        assert 'class="actions"' not in page
        status, _, page = await closed.post("/instances/order/running/pause")
        assert status == 403
        assert "gateway.token" in page

    async def test_a_wrong_token_is_said_and_not_repeated(self, closed):
        status, _, page = await closed.post("/login", {"token": "guess<b>"})
        assert status == 401
        assert "that is not a token of this gateway" in page
        assert "guess" not in page

    async def test_after_the_logout_the_pages_are_closed(self, closed):
        await closed.post("/login", {"token": TOKEN})
        await closed.post("/logout")
        async with closed.session.get("/instances", allow_redirects=False) as answer:
            assert answer.status == 303

    @pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/\\evil", "x"])
    async def test_the_login_leads_to_no_other_site(self, closed, place):
        _, location, _ = await closed.post("/login", {"token": TOKEN, "next": place})
        assert location == "/"

    async def test_a_link_of_another_site_leads_to_the_page_of_whoever_is_signed_in(self, closed):
        headers = {"Sec-Fetch-Site": "cross-site", "Accept": "text/html"}
        async with closed.session.get("/login?next=/instances", headers=headers) as answer:
            assert answer.headers["Refresh"] == "0"  # then the browser brings the cookie
        async with closed.session.get("/login?next=/instances") as answer:
            assert "Refresh" not in answer.headers
        await closed.post("/login", {"token": TOKEN})
        assert "<h1>Instances</h1>" in await closed.get("/login?next=/instances")

    async def test_where_no_token_is_set_there_is_nothing_to_sign_in_to(self, site):
        async with site.session.get("/login", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/")
        assert "Sign out" not in await site.get("/instances")


class TestFiles:
    async def test_a_file_named_by_its_hash_is_kept_for_ever(self, closed):
        page = await closed.get("/login")
        (path,) = re.findall(r'href="(/static/app\.css\?v=\w+)"', page)
        async with closed.session.get(path) as answer:
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.content_type == "text/css"
            tag = answer.headers["ETag"]
        async with closed.session.get("/static/app.css", headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
        async with closed.session.get("/static/app.css?v=old") as answer:
            assert answer.headers["Cache-Control"] == "no-cache"

    @pytest.mark.parametrize("name", ["nothing.css", "..%2Fapp.py", "%2e%2e/app.py", "app.py"])
    async def test_there_are_no_other_files(self, site, name):
        async with site.session.get(f"/static/{name}") as answer:
            assert answer.status == 404


class TestMissingPages:
    async def test_a_person_is_told_by_a_page_and_a_program_by_a_problem(self, site):
        assert "There is no such page." in await site.get("/nowhere", status=404)
        async with site.session.get("/nowhere", headers={"Accept": "*/*"}) as answer:
            assert answer.content_type == "application/problem+json"
        async with site.session.get("/api/v1/x", headers={"Accept": "text/html"}) as answer:
            assert answer.content_type == "application/problem+json"

    async def test_a_page_that_cannot_be_asked_so(self, site):
        headers = {"Origin": site.url, "Accept": "text/html"}
        async with site.session.post("/instances", headers=headers) as answer:
            assert answer.status == 405
            assert answer.headers["Allow"] == "GET,HEAD"
            assert answer.content_type == "text/html"


@pytest.mark.parametrize(
    "cookie", ["x", "W10=", "eyJhIjoxfQ==", "WyJnb29kIiwxLDJd", "%ff", "WyJldmlsIiwiYSIsImIiXQ=="]
)
async def test_a_notice_that_is_not_ours_is_not_shown(site, cookie):
    headers = {"Cookie": f"stepwell_said={cookie}", "Accept": "text/html"}
    assert 'class="notice' not in await site.get("/instances", headers=headers)


async def test_a_notice_waits_for_a_page_that_is_read(site):
    await site.tell_status("running")
    path = "/instances/order/running"
    await site.post(f"{path}/pause")
    for asked in (path, "/health-strip"):  # as scripts do meanwhile
        headers = {"Sec-Fetch-Mode": "cors", "Accept": "text/html"}
        assert "Pause: accepted." not in await site.get(asked, headers=headers)
    assert "Pause: accepted." in await site.get(path)


async def test_the_strip_is_for_those_who_may_read(closed):
    async with closed.session.get("/health-strip", allow_redirects=False) as answer:
        assert answer.status == 303
