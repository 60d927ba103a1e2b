"""Pages stay small and quick when what they show is not."""

import re

from playwright.sync_api import Page, expect

from tests.browser.seeding import letter
from tests.browser.stack import Stack
from tests.browser.test_every_page import TOO_WIDE, WEIGHT, WEIGHT_BYTES_MAX

TEXT = "Wide <b>and</b> long. " * 25_000
WORD = "x" * 5_000


def expect_light(page: Page, place: str) -> None:
    page.goto(place)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate(WEIGHT) < WEIGHT_BYTES_MAX
    assert page.evaluate(TOO_WIDE) == []


def test_an_instance_of_hundreds_of_steps_with_large_values(page: Page, stack: Stack) -> None:
    instance_id = stack.create("long", {"text": TEXT, "steps": 300, "word": WORD})
    stack.until("long", instance_id, "complete")
    place = f"/instances/long/{instance_id}"
    expect_light(page, place)
    expect(page.get_by_text("of 300")).to_be_visible()
    page.get_by_role("link", name="earlier").click()
    expect(page.get_by_role("link", name="later")).to_be_visible()
    expect_light(page, f"{place}?from=1")
    expect(page.get_by_role("rowheader", name=re.compile("^step 0 "))).to_be_visible()
    page.locator("#input > summary").click()
    expect(page.locator("#input")).to_contain_text("Only the first")
    expect_light(page, "/workflows/long")


def test_errors_of_any_length_and_without_spaces(page: Page, stack: Stack) -> None:
    for _ in range(3):
        instance_id = stack.started("failing", f"{WORD} {TEXT[:200_000]}", until="errored")
    page.set_viewport_size({"width": 380, "height": 800})
    expect_light(page, f"/instances/failing/{instance_id}")
    expect_light(page, "/instances?workflow=failing")


def test_full_pages_of_instances(page: Page, stack: Stack) -> None:
    ids = [f"row-{number}-{'long-id-' * 10}" for number in range(100)]
    made = [{"id": it, "params": None} for it in ids]
    status, answer = stack.post("/api/v1/workflows/greet/instances/batch", {"instances": made})
    assert status == 201, answer
    expect_light(page, "/instances?workflow=greet&limit=100&id_prefix=row-")
    expect(page.locator("#rows tbody tr")).to_have_count(100)


def test_a_dead_letter_and_a_document_that_are_large(page: Page, stack: Stack) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    expect_light(page, f"/dead-letters/{letter(stack, WORD + TEXT[:100_000], subject=WORD[:1000])}")
    expect_light(page, "/dead-letters")
    issue = {"number": 4711, "title": WORD[:900], "body": TEXT[:200_000], "labels": []}
    stack.webhook(issue)
    stack.until_answer("/api/v1/search?q=Wide&mode=keyword", lambda found: found["hits"])
    expect_light(page, "/search?q=Wide&mode=keyword")
