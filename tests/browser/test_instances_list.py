"""The list of instances: read, filtered, kept up to date, steered by keys."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visitor
from tests.browser.stack import Stack


@pytest.fixture(scope="module", autouse=True)
def ids(stack: Stack) -> dict[str, str]:
    """One instance for each of some statuses."""
    return {
        "complete": stack.started("greet", {"x": 1}, until="complete"),
        "waiting": stack.started("order", {"id": 1}, until="waiting"),
        "errored": stack.started("failing", "the needle in the haystack", until="errored"),
    }


def row(page: Page, instance_id: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=instance_id))


def test_instances_are_listed_newest_first_with_status_and_workflow(
    page: Page, ids: dict[str, str]
) -> None:
    page.goto("/")
    expect(page).to_have_url(re.compile(r"/instances$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Instances")
    expect(row(page, ids["complete"])).to_contain_text("greet")
    for status, instance_id in ids.items():
        expect(row(page, instance_id)).to_contain_text(status)
    expect(row(page, ids["errored"])).to_contain_text("the needle in the haystack")
    shown = page.get_by_role("table").get_by_role("rowheader").all_inner_texts()
    places = [next(n for n, text in enumerate(shown) if it in text) for it in ids.values()]
    assert places == sorted(places, reverse=True)


def test_filters_are_in_the_address_and_survive_reload_and_the_back_button(
    page: Page, ids: dict[str, str]
) -> None:
    page.goto("/instances")
    filters = page.get_by_role("form", name="Filters")
    filters.get_by_label("Workflow").select_option("failing")
    filters.get_by_label("Search").fill("needle")
    filters.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile(r"\?(?=.*workflow=failing)(?=.*text=needle)"))
    assert "id_prefix" not in page.url  # empty fields stay out of it
    expect(row(page, ids["errored"])).to_be_visible()
    expect(row(page, ids["complete"])).to_have_count(0)
    page.reload()
    expect(filters.get_by_label("Search")).to_have_value("needle")
    page.get_by_role("link", name="Clear").first.click()
    expect(row(page, ids["complete"])).to_be_visible()
    page.go_back()
    expect(row(page, ids["complete"])).to_have_count(0)
    expect(filters.get_by_label("Search")).to_have_value("needle")
    expect(filters.get_by_label("Subject is")).to_be_enabled()


def test_statuses_are_chosen_by_chips_that_count(page: Page, ids: dict[str, str]) -> None:
    page.goto("/instances?workflow=order")
    chips = page.get_by_role("list", name="Status")
    expect(chips.get_by_role("link", name=re.compile(r"waiting [1-9]"))).to_be_visible()
    chips.get_by_role("link", name="errored").click()
    expect(page.get_by_text("No instance fits")).to_be_visible()
    expect(page.locator("pre")).to_contain_text("stepwell trigger order")
    page.get_by_role("list", name="Status").get_by_role("link", name="all").click()
    expect(row(page, ids["waiting"])).to_be_visible()


def test_a_new_instance_appears_and_changes_its_status_without_a_reload(
    page: Page, stack: Stack
) -> None:
    page.goto("/instances?workflow=order")
    page.evaluate("window.wasNotReloaded = true")
    expect(page.locator("#live-text")).to_have_text("Live")
    instance_id = stack.create("order", {"id": 2})
    expect(row(page, instance_id)).to_contain_text("waiting")
    stack.post(f"/api/v1/workflows/order/instances/{instance_id}/pause", {"reason": "lunch"})
    expect(row(page, instance_id)).to_contain_text("paused")
    expect(row(page, instance_id)).to_contain_text("lunch")
    assert page.evaluate("window.wasNotReloaded")


def test_live_updates_can_be_held_and_go_on_where_they_were(page: Page, stack: Stack) -> None:
    page.goto("/instances?workflow=nap")
    expect(page.locator("#live-text")).to_have_text("Live")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#live-text")).to_have_text("Paused")
    instance_id = stack.started("nap", until="waiting")
    expect(row(page, instance_id)).to_have_count(0)
    page.get_by_role("button", name="Resume").click()
    expect(row(page, instance_id)).to_be_visible()


def test_keys_move_open_and_search(page: Page, ids: dict[str, str]) -> None:
    page.goto("/instances?workflow=failing")
    page.keyboard.press("j")
    current = page.locator("tr.is-current")
    expect(current).to_have_count(1)
    expect(current.get_by_role("link").first).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("/")
    expect(page.get_by_label("Search id")).to_be_focused()
    page.keyboard.type("j?g")
    expect(page.get_by_label("Search id")).to_have_value("j?g")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/instances/failing/"))
    page.keyboard.press("g")
    page.keyboard.press("i")
    expect(page).to_have_url(re.compile(r"/instances$"))


def test_the_first_tab_skips_to_the_content(page: Page) -> None:
    page.goto("/instances")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_times_are_shown_as_the_reader_wants(visitor: Visitor, ids: dict[str, str]) -> None:
    page = visitor.page(timezone_id="Asia/Tokyo")
    page.goto("/instances")
    created = row(page, ids["complete"]).locator("time").first
    utc = created.inner_text()
    assert utc.endswith("UTC")
    page.get_by_label("Times as").select_option("local")
    expect(created).not_to_contain_text("UTC")
    page.get_by_label("Times as").select_option("relative")
    expect(created).to_contain_text(re.compile(r"ago|now"))
    page.reload()
    expect(created).to_contain_text(re.compile(r"ago|now"))
    expect(created).to_have_attribute("title", utc)


@pytest.fixture
def plain(visitor: Visitor) -> Page:
    """A page of a browser that runs no scripts."""
    return visitor.page(java_script_enabled=False)


def test_without_scripts_the_list_is_read_filtered_and_turned_over(
    plain: Page, stack: Stack
) -> None:
    for _ in range(3):
        stack.started("part", 1, until="complete")
    plain.goto("/instances?limit=2&workflow=part")
    first = plain.get_by_role("rowheader").all_inner_texts()
    assert len(first) == 2
    plain.get_by_role("link", name="Next page").click()
    second = plain.get_by_role("rowheader").all_inner_texts()
    assert second
    assert not set(first) & set(second)
    plain.get_by_role("link", name="First page").click()
    assert plain.get_by_role("rowheader").all_inner_texts() == first
    plain.get_by_label("Search").fill("nothing has this")
    plain.get_by_role("button", name="Filter").click()
    expect(plain.get_by_text("No instance fits")).to_be_visible()


HIDE = """
for (const [name, value] of [['visibilityState', 'hidden'], ['hidden', true]]) {
  Object.defineProperty(document, name, { configurable: true, get: () => value });
}
document.dispatchEvent(new Event('visibilitychange'));
"""


def test_many_open_tabs_do_not_shut_each_other_out(visitor: Visitor) -> None:
    """A browser has six connections to a host: tabs that nobody sees let go of theirs."""
    context = visitor.context()
    for _ in range(8):
        page = context.new_page()
        page.goto("/instances", timeout=15_000)
        expect(page.locator("#live-text")).to_have_text("Live")
        page.evaluate(HIDE)
