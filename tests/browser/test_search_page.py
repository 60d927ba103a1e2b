"""The search page in a browser: results as one types, the address, filters, documents alike."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.accessible import findings
from tests.browser.conftest import NARROW, Visitor
from tests.browser.stack import Stack

TITLES = {
    901: "The login form rejects a correct password",
    902: "Users cannot sign in with the right credentials",
    903: "Colours of the chart are hard to tell apart",
}


@pytest.fixture(scope="module", autouse=True)
def documents(stack: Stack) -> None:
    """Three issues that the worker has embedded."""
    stack.webhook(
        *(
            {
                "number": number,
                "title": title,
                "html_url": f"https://github.com/acme/site/issues/{number}",
                "labels": [{"name": "charts" if number == 903 else "login"}],
            }
            for number, title in TITLES.items()
        )
    )
    for number in TITLES:
        key = f"github:acme%2Fsite%23{number}"
        stack.until_answer(f"/api/v1/documents/{key}/similar", lambda it: "hits" in it)


def test_results_come_as_one_types_and_the_address_keeps_the_question(page: Page) -> None:
    page.goto("/search")
    field = page.get_by_role("searchbox")
    expect(field).to_be_focused()
    field.press_sequentially("password is not accepted", delay=20)
    titles = page.locator(".hit h3")
    expect(titles.first).to_have_text(TITLES[901])
    expect(page).to_have_url(re.compile(r"/search\?q=password\+is\+not\+accepted$"))
    expect(page.get_by_role("status")).to_contain_text("document")
    page.reload()
    expect(titles.first).to_have_text(TITLES[901])
    expect(field).to_have_value("password is not accepted")


def test_a_late_answer_never_replaces_a_newer_one(page: Page, visitor: Visitor) -> None:
    visitor.watcher.expect("ERR_ABORTED", "net::")
    held: list[Route] = []
    page.goto("/search")
    page.route(re.compile(r"q=sign\+in$"), lambda it: held.append(it))  # noqa: PLW0108 - Playwright marks it
    with page.expect_request(re.compile(r"q=sign\+in$")):
        page.get_by_role("searchbox").fill("sign in")
    page.get_by_role("searchbox").fill("colours of charts")
    expect(page.locator(".hit h3").first).to_have_text(TITLES[903])
    for route in held:
        route.continue_()  # its answer comes now, when nobody waits for it any more
    page.get_by_role("searchbox").fill("colours of charts!")
    expect(page).to_have_url(re.compile(r"q=colours\+of\+charts%21"))
    expect(page.locator(".hit h3").first).to_have_text(TITLES[903])


def test_filters_and_mode_narrow_what_is_found(page: Page) -> None:
    page.goto("/search?q=login")
    page.get_by_text("Filters").click()
    page.get_by_label("Label").fill("charts")
    expect(page.locator("#results")).to_have_attribute("data-count", "1")
    expect(page.locator(".hit h3")).to_have_text(TITLES[903])
    page.get_by_label("by words").check()
    expect(page.get_by_text("Nothing found")).to_be_visible()
    expect(page).to_have_url(re.compile("mode=keyword"))


def test_a_document_leads_to_those_like_it_and_to_its_instance(page: Page) -> None:
    page.goto("/search?q=password")
    page.get_by_role("link", name=f"Similar to {TITLES[901]}").click()
    expect(page.get_by_role("heading", name=f"Like {TITLES[901]}")).to_be_visible()
    expect(page.locator(".hit h3").first).to_have_text(TITLES[902])
    page.get_by_role("link", name=f"Instance that brought {TITLES[902]}").click()
    expect(page).to_have_url(re.compile("/instances/embed-content/"))
    expect(page.locator("main")).to_contain_text("complete")


def test_it_works_without_javascript(visitor: Visitor) -> None:
    page = visitor.page(java_script_enabled=False)
    page.goto("/search")
    page.get_by_role("searchbox").fill("password")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".hit h3").first).to_have_text(TITLES[901])
    page.locator(".hit").first.get_by_text("Similar").click()
    expect(page.get_by_role("heading", name="Like")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(visitor: Visitor, scheme: str) -> None:
    for viewport in (NARROW, None):
        options = {"viewport": viewport} if viewport else {}
        page = visitor.page(color_scheme=scheme, **options)
        for path in ("/search", "/search?q=password", "/search?like=github%3Aacme%2Fsite%23901"):
            page.goto(path)
            assert findings(page) == []
            assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
