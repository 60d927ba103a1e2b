"""Workflows as graphs, dead letters, replays and re-indexes: what an operator repairs with."""

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.hostile import TOGETHER, expect_text, expect_unhurt
from tests.browser.seeding import letter
from tests.browser.stack import Stack


def notice(page: Page, text: str) -> None:
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()


def test_a_workflow_is_a_graph_of_its_source_with_how_long_its_steps_take(
    page: Page, stack: Stack
) -> None:
    stack.started("fan", 3, until="complete")
    page.goto("/workflows")
    page.get_by_role("table").get_by_role("link", name="fan", exact=True).click()
    graph = page.get_by_role("region", name="Step graph of fan")
    for words in ("all at once", "left", "right", "part", "left + right > 100", "big", "small"):
        drawn = graph.locator("svg text").filter(has_text=re.compile(f"^{re.escape(words)}$"))
        expect(drawn.first).to_be_visible()
    steps = page.get_by_role("region", name="Steps", exact=True)
    expect(steps.get_by_role("row", name=re.compile("^left"))).to_contain_text("ms")
    expect(page.get_by_text("None of these instances came to: big")).to_be_visible()
    graph.get_by_role("link", name=re.compile("small")).click()
    expect(page.locator(".line:target")).to_contain_text('"small"')
    expect(page.locator(".line:target")).to_be_in_viewport()


def test_without_scripts_the_graph_is_also_a_list(visitor: Visitor) -> None:
    plain = visitor.page(java_script_enabled=False)
    plain.goto("/workflows/order")
    plain.get_by_text("The same as a list").click()
    listed = plain.locator(".graph-list")
    expect(listed).to_contain_text("reserve")
    expect(listed).to_contain_text("Wait for event payment")
    expect(listed).to_contain_text("ship")


def test_a_dead_letter_is_looked_at_and_retried_once_its_cause_is_mended(
    page: Page, stack: Stack
) -> None:
    name = letter(stack, TOGETHER)
    page.goto("/dead-letters")
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Dead letter {name}")
    expect(page.locator("#why-title + .notice")).to_contain_text("KeyError")
    expect_text(page, json.dumps(TOGETHER)[1:40])
    expect_unhurt(page)
    stack.mended.touch()
    try:
        page.locator("#retry > summary").click()
        page.locator("#retry").get_by_label("Note").fill("mended <b>it</b>")
        page.get_by_role("button", name="Retry it").click()
        notice(page, "etried")
        expect(page.locator(".head .status")).to_contain_text("retried")
        expect(page.get_by_text("mended <b>it</b>").first).to_be_visible()
        expect(page.get_by_role("button", name="Retry it")).to_have_count(0)
        stack.until_answer(
            "/api/v1/instances?workflow=picky&status=complete", lambda found: found["instances"]
        )
    finally:
        stack.mended.unlink()
    page.goto("/dead-letters")
    expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
    page.get_by_label("settled").check()
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()


def test_a_dead_letter_is_discarded_with_a_reason_without_scripts(
    visitor: Visitor, stack: Stack
) -> None:
    name = letter(stack, "never mind")
    plain = visitor.page(java_script_enabled=False)
    plain.goto(f"/dead-letters/{name}")
    plain.locator("#discard > summary").click()
    plain.locator("#discard").get_by_label("Why").fill("a test of theirs")
    plain.get_by_role("button", name="Discard it").click()
    expect(plain.locator(".head .status")).to_contain_text("discarded")
    expect(plain.get_by_text("a test of theirs").first).to_be_visible()


def test_a_replay_is_planned_executed_and_shows_what_differs(page: Page, stack: Stack) -> None:
    instance_id = stack.started("drift", "<b>bold</b>", until="complete")
    page.goto("/replays")
    form = page.locator("#plan")
    if form.get_attribute("open") is None:
        form.locator("summary").click()
    form.get_by_label("Topics").fill(f"{stack.deployment.environ['STEPWELL_KAFKA_PREFIX']}.journal")
    form.get_by_label("Workflow").fill("drift")
    form.get_by_role("button", name="Plan").click()
    expect(page).to_have_url(re.compile(r"/replays/r-"))
    expect(page.get_by_role("heading", name="What it would do")).to_be_visible()
    expect(page.locator("#how")).to_contain_text("planned")

    page.get_by_label("Compute these instances again").check()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator("#how .status").first).to_contain_text("complete", timeout=60_000)
    verdicts = page.get_by_role("region", name="Verdicts by step")
    expect(verdicts.get_by_role("row", name=re.compile("drift: same"))).to_be_visible()
    differences = page.get_by_role("region", name="Differences")
    changed = differences.get_by_role("row").filter(has_text=instance_id)
    expect(changed).to_contain_text("changed")
    recorded, now = changed.locator("code").all_inner_texts()
    assert recorded.isdecimal()
    assert int(recorded) < int(now)
    changed.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(instance_id)


def test_a_replay_that_cannot_be_planned_says_why_and_keeps_the_form(
    page: Page, visitor: Visitor
) -> None:
    visitor.watcher.expect("status 4")
    page.goto("/replays")
    form = page.locator("#plan")
    if form.get_attribute("open") is None:
        form.locator("summary").click()
    form.get_by_label("Begin").select_option("time")
    form.get_by_label("which (times are UTC)").fill("<i>yesterday</i>")
    form.get_by_label("Workflow").fill("drift")
    form.get_by_role("button", name="Plan").click()
    expect(page.get_by_role("status").filter(has_text="yesterday")).to_be_visible()
    expect(page.locator("#plan").get_by_label("Workflow")).to_have_value("drift")
    expect_unhurt(page)


def test_a_reindex_is_shown_with_what_became_of_its_documents(
    page: Page, stack: Stack, tmp_path: Path
) -> None:
    documents = [
        {
            "key": f"doc-{number}",
            "type": "page",
            "repo": "acme/site",
            "number": number,
            "title": "<script>window.hurt = 1</script>",
            "body": f"page {number}",
            "state": "open",
            "url": "javascript:window.hurt=2",
            "updated_at": "2026-01-01T00:00:00Z",
            "labels": [],
        }
        for number in range(20)
    ]
    file = tmp_path / "documents.jsonl"
    file.write_text("\n".join(map(json.dumps, documents)))
    stack.stepwell("reindex", "--source", str(file), "--follow")
    page.goto("/reindexes")
    past = page.get_by_role("region", name="Past re-indexes").get_by_role("row").nth(1)
    expect(past).to_contain_text("complete")
    expect(past).to_contain_text("20 stored")
    page.goto("/search?q=page&type=page&mode=keyword")
    expect(page.locator("li.hit").first).to_contain_text("<script>window.hurt = 1</script>")
    expect_unhurt(page)


def test_a_source_that_is_none_is_refused_and_kept_in_the_form(
    page: Page, visitor: Visitor
) -> None:
    visitor.watcher.expect("status 4")
    page.goto("/reindexes")
    page.locator("#start > summary").click()
    page.locator("#start").get_by_label("Source", exact=True).fill("gopher:<b>nobody</b>")
    page.locator("#start").get_by_role("button", name="Start").click()
    expect(page.locator("#start").get_by_label("Source", exact=True)).to_have_value(
        "gopher:<b>nobody</b>"
    )
    expect(page.get_by_role("status").filter(has_text="gopher")).to_be_visible()
    expect_unhurt(page)


def test_the_health_strip_follows_on_a_page_where_nothing_else_does(
    page: Page, stack: Stack
) -> None:
    page.goto("/search")
    health = page.get_by_role("region", name=re.compile("^Health"))
    for part in ("broker", "consumer lag", "index", "queue", "last event", "dead letters"):
        expect(health).to_contain_text(part)
    expect(health).to_contain_text("reachable")
    known = {str(it.get_attribute("datetime")) for it in health.locator("time").all()}
    stack.started("greet", "news", until="complete")
    later = "time" + "".join(f":not([datetime='{it}'])" for it in known)
    expect(health.locator(later)).to_have_count(1, timeout=60_000)
