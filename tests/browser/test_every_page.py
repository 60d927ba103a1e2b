"""What holds for each page: accessible, narrow, light, with a policy, without complaints."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessible import findings
from tests.browser.conftest import NARROW, WIDE, Visitor
from tests.browser.hostile import expect_unhurt
from tests.browser.seeding import Seeded, seed
from tests.browser.stack import Stack

WEIGHT_BYTES_MAX = 200_000
Place = Callable[[Seeded], str]
PAGES: dict[str, Place] = {
    "instances": lambda _: "/instances",
    "instances-filtered": lambda _: "/instances?status=errored&text=script",
    "instances-empty": lambda _: "/instances?text=nothing-has-this",
    "instance-complete": lambda them: f"/instances/greet/{them.complete}",
    "instance-waiting": lambda them: f"/instances/order/{them.waiting}",
    "instance-errored": lambda them: f"/instances/failing/{them.errored}",
    "instance-retrying": lambda them: f"/instances/retrying/{them.retrying}",
    "instance-sleeping": lambda them: f"/instances/nap/{them.sleeping}",
    "instance-fan": lambda them: f"/instances/fan/{them.fan}",
    "instance-hostile": lambda them: f"/instances/odd/{them.hostile}",
    "workflows": lambda _: "/workflows",
    "workflow": lambda _: "/workflows/fan",
    "workflow-embed": lambda _: "/workflows/embed-content",
    "search": lambda _: "/search",
    "search-found": lambda _: "/search?q=login",
    "dead-letters": lambda _: "/dead-letters",
    "dead-letter": lambda them: f"/dead-letters/{them.letter}",
    "replays": lambda _: "/replays",
    "replay": lambda them: f"/replays/{them.replay}",
    "reindexes": lambda _: "/reindexes",
}
WEIGHT = """
['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))
  .reduce((sum, it) => sum + it.transferSize, 0)
"""
TOO_WIDE = """
[document.documentElement, document.body].filter(it => it.scrollWidth > it.clientWidth)
  .map(it => `${it.tagName} ${it.scrollWidth} in ${it.clientWidth}`)
"""
SCREENSHOTS = os.environ.get("STEPWELL_SCREENSHOTS")


@pytest.fixture(scope="module")
def them(stack: Stack) -> Seeded:
    return seed(stack)


@pytest.fixture(params=list(PAGES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(name: str, them: Seeded) -> str:
    return PAGES[name](them)


def test_it_is_accessible_in_both_schemes_and_fits_a_narrow_screen(
    page: Page, name: str, place: str
) -> None:
    page.goto(place)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    for width, viewport in (("wide", WIDE), ("narrow", NARROW)):
        page.set_viewport_size(viewport)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            take_picture(page, f"{name}-{width}-{scheme}")
            assert findings(page) == [], (width, scheme)
        assert page.evaluate(TOO_WIDE) == []
    expect_unhurt(page)


def test_it_weighs_little_and_forbids_what_it_does_not_need(page: Page, place: str) -> None:
    answer = page.goto(place)
    assert answer is not None
    weight = page.evaluate(WEIGHT)
    assert 1_000 < weight < WEIGHT_BYTES_MAX
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert page.locator("[style], script:not([src]), style").count() == 0


def test_it_can_be_read_without_scripts_and_links_its_json(
    visitor: Visitor, name: str, place: str
) -> None:
    page = visitor.page(java_script_enabled=False)
    page.goto(place)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert len(page.locator("main").inner_text()) > 10
    expect(page.locator(".js-only:visible")).to_have_count(0)
    if name == "search":
        return  # nothing was asked for yet
    twin = page.get_by_role("link", name="This page as JSON").get_attribute("href")
    assert twin is not None
    answer = page.request.get(twin)
    assert answer.ok, (twin, answer.text())
    assert answer.json() is not None


def take_picture(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS, f"{name}.png"), full_page=True)
