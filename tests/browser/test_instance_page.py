"""The page of an instance: what it did, and what an operator does to it."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visitor
from tests.browser.hostile import expect_text, expect_unhurt
from tests.browser.stack import Stack


def opened(page: Page, workflow: str, instance_id: str) -> Page:
    page.goto(f"/instances/{workflow}/{instance_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text(instance_id)
    return page


def status(page: Page) -> Locator:
    return page.locator("#head .status")


def action(page: Page, name: str) -> Locator:
    """The opened form of an action."""
    form = page.locator("details.action").filter(
        has=page.locator("summary", has_text=re.compile(f"^{name}$"))
    )
    form.locator("summary").click()
    return form


def press(form: Locator, name: str) -> None:
    form.get_by_role("button", name=name, exact=True).click()


def lane(page: Page, label: str) -> Locator:
    return page.get_by_role("img", name=re.compile(f"^{label}: "))


def step_row(page: Page, name: str) -> Locator:
    steps = page.get_by_role("region", name="Steps")
    return steps.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))


def test_the_timeline_shows_attempts_delays_sleeps_waits_and_children(
    page: Page, stack: Stack
) -> None:
    opened(page, "failing", stack.started("failing", "no luck", until="errored"))
    expect(status(page)).to_contain_text("errored")
    bars = lane(page, "break")
    expect(bars).to_have_accessible_name(re.compile(r"attempt 1 failed.*attempt 3 failed"))
    expect(bars.locator("rect.bar-failed")).to_have_count(3)
    expect(bars.locator("rect.bar-backoff")).to_have_count(2)
    expect(page.locator("#error")).to_contain_text("no luck")
    step_row(page, "break").get_by_role("group").locator("summary").first.click()
    expect(step_row(page, "break").get_by_role("listitem")).to_have_count(3)

    opened(page, "nap", stack.started("nap", until="waiting"))
    expect(lane(page, "rest").locator("rect.bar-sleep.bar-open")).to_have_count(1)
    expect(page.locator("#why")).to_contain_text("timer")

    fan = stack.started("fan", 3, until="complete")
    opened(page, "fan", fan)
    for name in ("left", "right", "small"):
        expect(lane(page, name).locator("rect.bar-run")).to_have_count(1)
    expect(lane(page, "part").locator("rect.bar-child")).to_have_count(1)
    step_row(page, "part").get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"/instances/part/"))
    expect(page.get_by_text(f"fan/{fan}")).to_be_visible()


def test_a_waiting_instance_is_paused_resumed_and_told_of_its_event(
    page: Page, stack: Stack
) -> None:
    instance_id = stack.started("order", {"id": 1}, until="waiting")
    opened(page, "order", instance_id)
    pausing = action(page, "Pause")
    pausing.get_by_label("Reason").fill("lunch <b>break</b>")
    press(pausing, "Pause")
    expect(page.get_by_role("status").filter(has_text="accepted")).to_be_visible()
    expect(status(page)).to_contain_text("paused")
    expect(page.locator("#facts")).to_contain_text("lunch <b>break</b>")

    press(action(page, "Resume"), "Resume")
    expect(status(page)).to_contain_text("waiting")

    sending = action(page, "Send event")
    sending.get_by_label("Type").fill("paid")
    sending.get_by_label("Payload").fill('{"amount": 5, "note": "<i>cash</i>"}')
    press(sending, "Send event")
    expect(status(page)).to_contain_text("complete")
    expect(page.locator("#output")).to_contain_text('"note": "<i>cash</i>"')
    expect(page.locator("#events")).to_contain_text("paid")


def test_a_form_that_is_wrong_keeps_what_was_typed(
    page: Page, stack: Stack, visitor: Visitor
) -> None:
    visitor.watcher.expect("status 422", "status 400")
    opened(page, "order", stack.started("order", {"id": 1}, until="waiting"))
    sending = action(page, "Send event")
    sending.get_by_label("Type").fill("paid")
    sending.get_by_label("Payload").fill("{no json")
    press(sending, "Send event")
    expect(page.get_by_role("status").filter(has_text="refused")).to_contain_text("not JSON")
    expect(page.get_by_label("Payload")).to_have_value("{no json")
    expect(page.get_by_label("Type")).to_have_value("paid")


def test_terminating_asks_first_and_says_why_afterwards(page: Page, stack: Stack) -> None:
    instance_id = stack.started("nap", until="waiting")
    opened(page, "nap", instance_id)
    ending = action(page, "Terminate")
    ending.get_by_label("Reason").fill("not needed")
    press(ending, "Terminate")
    expect(ending.get_by_label("Yes")).to_be_focused()  # the browser points to what is missing
    assert stack.instance("nap", instance_id)["summary"]["status"] == "waiting"
    ending.get_by_label("Yes").check()
    press(ending, "Terminate")
    expect(status(page)).to_contain_text("terminated")
    expect(page.locator("#facts")).to_contain_text("not needed")
    expect(page.locator("details.action summary")).to_have_text(["Restart", "Delete"])


def test_a_finished_instance_is_restarted_from_a_step(page: Page, stack: Stack) -> None:
    instance_id = stack.started("order", {"id": 1}, until="waiting")
    body = {"type": "paid", "payload": 1}
    stack.post(f"/api/v1/workflows/order/instances/{instance_id}/events", body)
    stack.until("order", instance_id, "complete")
    opened(page, "order", instance_id)
    before = step_row(page, "reserve").locator("time").get_attribute("datetime")
    restarting = action(page, "Restart")
    restarting.get_by_label("From").select_option(label="payment")
    restarting.get_by_label("Reason").fill("paid twice")
    press(restarting, "Restart")
    expect(status(page)).to_contain_text("waiting")
    assert step_row(page, "reserve").locator("time").get_attribute("datetime") == before


def test_a_deleted_instance_is_gone_and_its_page_says_so(
    page: Page, stack: Stack, visitor: Visitor
) -> None:
    visitor.watcher.expect("status 404")
    instance_id = stack.started("greet", 1, until="complete")
    opened(page, "greet", instance_id)
    deleting = action(page, "Delete")
    deleting.get_by_label("Yes").check()
    press(deleting, "Delete")
    expect(page).to_have_url(re.compile(r"/instances$"))
    expect(page.get_by_role("status").filter(has_text="forgotten")).to_be_visible()
    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("404")


def test_the_page_follows_what_happens_and_leaves_open_what_was_opened(
    page: Page, stack: Stack
) -> None:
    instance_id = stack.started("order", {"id": 1}, until="waiting")
    opened(page, "order", instance_id)
    expect(page.locator("#live-text")).to_have_text("Live")
    page.locator("#input > summary").click()
    sending = action(page, "Send event")
    sending.get_by_label("Type").fill("half ty")
    stack.post(f"/api/v1/workflows/order/instances/{instance_id}/pause", {"reason": "elsewhere"})
    expect(status(page)).to_contain_text("paused")
    expect(page.locator("#facts")).to_contain_text("elsewhere")
    expect(page.locator("#input > pre")).to_be_visible()
    expect(sending.get_by_label("Type")).to_have_value("half ty")


def test_latest_leads_to_the_newest(page: Page, stack: Stack) -> None:
    instance_id = stack.started("greet", "newest", until="complete")
    page.goto("/instances/greet/latest")
    expect(page).to_have_url(re.compile(f"/instances/greet/{instance_id}$"))


@pytest.mark.parametrize("workflow", ["greet", "failing", "odd"])
def test_hostile_payloads_errors_and_step_names_are_text(
    page: Page, stack: Stack, workflow: str
) -> None:
    text = "<img src=x onerror='window.hurt = 1'><script>window.hurt = 2</script>"
    ends = "complete" if workflow == "greet" else "errored"
    opened(page, workflow, stack.started(workflow, text, until=ends))
    expect_text(page, text)
    expect_unhurt(page)
    page.goto(f"/instances?workflow={workflow}&text=img")
    if workflow != "greet":
        expect_text(page, "<img src=x")
    expect_unhurt(page)


def test_without_scripts_an_instance_is_read_and_paused(visitor: Visitor, stack: Stack) -> None:
    plain = visitor.page(java_script_enabled=False)
    instance_id = stack.started("order", {"id": 1}, until="waiting")
    opened(plain, "order", instance_id)
    expect(lane(plain, "payment")).to_be_visible()
    pausing = action(plain, "Pause")
    pausing.get_by_label("Reason").fill("by hand")
    press(pausing, "Pause")
    expect(plain.get_by_role("status").filter(has_text="accepted")).to_be_visible()
    stack.until("order", instance_id, "paused")
    plain.reload()
    expect(status(plain)).to_contain_text("paused")
