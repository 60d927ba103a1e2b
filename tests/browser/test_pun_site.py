"""The site of the puns in a browser: preview as one types, publish, refuse, find similar ones."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessible import findings
from tests.browser.conftest import NARROW, Visitor
from tests.examples.pun_process import Running, pun_site

DECISION_MS = 30_000


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    assert browser.is_connected()
    with pun_site(tmp_path_factory.mktemp("puns")) as running:
        yield running


@pytest.fixture
def puns(visitor_of: Callable[[str], Visitor], site: Running) -> Visitor:
    return visitor_of(site.url)


def typed(page: Page, text: str, hint: str) -> None:
    """Type a pun, until its preview is there."""
    page.goto("/new")
    page.get_by_label("Your pun").press_sequentially(text, delay=5)
    expect(page.locator("[data-hint]")).to_have_attribute("data-hint", hint)


def test_a_pun_is_previewed_published_once_and_appears(puns: Visitor) -> None:
    page = puns.page()
    page.goto("/")
    expect(page.get_by_text("Nacho cheese")).to_be_visible(timeout=DECISION_MS)
    pun = "A baker kneads dough until his dough needs a rest"
    typed(page, pun, "fine")
    expect(page.locator("#preview .sample")).to_contain_text(pun)
    expect(page.locator("#preview .neighbours")).to_contain_text("A baker kneads his dough")

    sent: list[str] = []
    page.on("request", lambda it: sent.append(it.url) if it.method == "POST" else None)
    page.get_by_role("button", name="Publish").dblclick()
    expect(page).to_have_url(re.compile(r"/puns/\d+"))
    expect(page.locator("#pun")).to_have_attribute("data-status", "published", timeout=DECISION_MS)
    assert len(sent) == 1
    expect(page.locator(".neighbours")).to_contain_text("A baker kneads his dough")
    page.goto("/")
    expect(page.locator(".puns li").first).to_contain_text(pun)


def test_what_the_moderator_would_object_to_is_said_before_and_then_done(puns: Visitor) -> None:
    page = puns.page()
    typed(page, "A damn silly pun about nothing", "objection")
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("#pun")).to_have_attribute("data-status", "rejected", timeout=DECISION_MS)
    expect(page.locator("#pun")).to_contain_text("The moderator says: rude: damn")
    page.get_by_role("link", name="Put it in other words").click()
    expect(page.get_by_label("Your pun")).to_have_value("A damn silly pun about nothing")


def test_hostile_puns_are_text(puns: Visitor) -> None:
    page = puns.page()
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script> {{7*7}}"
    typed(page, hostile, "fine")
    expect(page.locator("#preview .sample")).to_contain_text(hostile)
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(hostile)
    expect(page.locator("#pun")).to_have_attribute("data-status", "published", timeout=DECISION_MS)


def test_it_works_without_javascript(puns: Visitor) -> None:
    page = puns.page(java_script_enabled=False)
    page.goto("/new")
    page.get_by_label("Your pun").fill("A scriptless pun is an unwritten joke")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("[data-hint=fine]")).to_be_visible()
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("#pun[data-status=published]")).to_be_visible(timeout=DECISION_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(puns: Visitor, scheme: str) -> None:
    page = puns.page(color_scheme=scheme, viewport=NARROW)
    for path in ("/", "/new", "/new?text=damn+short", "/?q=dough"):
        page.goto(path)
        assert findings(page) == []
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.locator(".neighbours a").first.click()
    assert findings(page) == []
