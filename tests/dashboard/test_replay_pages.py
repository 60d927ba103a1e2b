"""Replays: planned by a form, looked at, executed, stopped; differences are shown step by step."""

import pytest

from stepwell.streams.dashboard.replay_forms import ask_of
from stepwell.streams.dashboard.replay_pages import ReplayPages
from stepwell.streams.errors import InvalidRequest
from tests.dashboard.conftest import running_site, text_of
from tests.dashboard.desks import FINDING, NOW_MS, Replaying


@pytest.fixture
def replays():
    return Replaying()


@pytest.fixture
async def site(replays):
    async with running_site(
        pages=(lambda site: ReplayPages(site, replays, clock=lambda: NOW_MS).routes(),)
    ) as site:
        yield site


async def test_without_replays_the_form_is_open(site):
    page = await site.get("/replays")
    assert '<details class="card" id="plan" open>' in page
    assert "Nothing was replayed yet" in page


async def test_links_fill_the_form_in(site):
    query = "start=offset&start_value=14&topics=stepwell.events:3"
    page = await site.get(f"/replays?{query}&workflow=%22%3E%3Cscript%3E")
    assert '<option value="offset" selected>' in page
    assert 'name="start_value" value="14"' in page
    assert 'name="topics" value="stepwell.events:3"' in page
    assert "<script>" not in page


async def test_a_form_makes_a_plan_and_leads_to_it(site, replays):
    given = {
        "mode": "rerun",
        "start": "time",
        "start_value": "2026-01-31T10:00",
        "until": "offset",
        "until_value": "90",
        "topics": "stepwell.events:0,1",
        "workflow": "order",
        "type": "com.github.*",
        "subject": "",
        "skip": "notify, send-*",
        "tolerance": "0.001",
    }
    status, place, _ = await site.post("/replays", given)
    assert (status, place) == (303, "/replays/r-new")
    (asked,) = replays.asked
    assert (asked.mode, asked.start, asked.until) == (
        "rerun",
        "time:2026-01-31T10:00Z",
        "offset:90",
    )
    assert asked.topics == ("stepwell.events:0,1",)
    assert (asked.filters, asked.skip) == (("type=com.github.*",), ("notify", "send-*"))
    assert asked.tolerance == 0.001
    assert "Execute exactly this plan" in await site.get(place)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mode": "destroy"}, "mode"),
        ({"start": "offset"}, "say which offset"),
        ({"start": "yesterday"}, "start: one of"),
        ({"until": "time"}, "until"),
        ({"tolerance": "much"}, "is no number"),
        ({"workflow": "wrong"}, "there is no workflow"),
        ({"workflow": "w" * 1000}, "workflow"),
    ],
)
async def test_a_wrong_form_says_what_is_wrong_and_is_kept(site, replays, given, said):
    status, _, page = await site.post("/replays", {"mode": "verify", "start": "earliest"} | given)
    assert status == 422
    assert "There is no plan." in page
    assert said in page
    assert replays.asked == []


async def test_a_plan_shows_ranges_and_what_is_left_alone(site, replays):
    replays.put()
    shown = text_of(await site.get("/replays/r-abc"))
    assert "stepwell.events 0 10 to 29 20 18" in shown
    assert "retention has begun at 5" in shown
    assert "Left alone: still running 3" in shown
    assert "fetch 12 times" in shown
    assert "Instances computed again 12" in shown


async def test_executing_needs_its_box_ticked(site, replays):
    replays.put()
    status, _, page = await site.post("/replays/r-abc/execute", {"rate": "5"})
    assert status == 422
    assert "tick the box" in page
    assert replays.begun == []
    given = {"rate": "5", "concurrency": "10", "wait": "yes", "confirm": "yes"}
    status, place, _ = await site.post("/replays/r-abc/execute", given)
    assert (status, place) == (303, "/replays/r-abc")
    assert replays.begun == [("r-abc", 5.0, 10, True)]
    page = await site.get(place)
    assert "data-poll-ms" in page
    assert "Stop" in page
    assert "Execute exactly" not in page


async def test_a_pace_that_is_none_is_refused(site, replays):
    replays.put()
    for given in ({"rate": "-1"}, {"rate": "x"}, {"concurrency": "1e99"}, {"rate": "inf"}):
        status, _, _ = await site.post("/replays/r-abc/execute", given | {"confirm": "yes"})
        assert status == 422
    assert replays.begun == []


async def test_one_that_runs_shows_how_far_it_is_and_can_be_stopped(site, replays):
    replays.put(status="running", started_ms=NOW_MS - 10_000, done=5, total=10, mode="rerun")
    page = await site.get("/replays/r-abc")
    assert 'value="50"' in page
    assert "0.5/s" in text_of(page)
    assert "10 s" in text_of(page)
    status, place, _ = await site.post("/replays/r-abc/stop")
    assert status == 303
    page = await site.get(place)
    assert "What it started runs on" in page
    assert "Go on: nothing is done twice" in page


async def test_differences_are_shown_step_by_step_as_text(site, replays):
    replays.put(
        status="complete",
        started_ms=NOW_MS - 10_000,
        finished_ms=NOW_MS,
        done=12,
        total=12,
        failed=1,
        counts={"fetch": {"same": 12}, "embed": {"same": 10, "changed": 1, "missing": 1}},
        findings=(FINDING,),
        findings_total=1,
    )
    page = await site.get("/replays/r-abc")
    shown = text_of(page)
    assert "embed 10 1 0 1 0" in shown
    assert "changed order/o-1 embed" in shown
    assert "<b>x</b>" not in page
    assert 'href="/instances/order/o-1"' in page
    assert "data-poll-ms" not in page


async def test_nothing_differs_is_said(site, replays):
    replays.put(status="complete", done=2, total=2, counts={"fetch": {"same": 2}})
    assert "Nothing differs" in await site.get("/replays/r-abc")


async def test_the_list_has_all_of_them(site, replays):
    replays.put(id="r-1", status="running", done=1, total=4, started_ms=NOW_MS - 1)
    replays.put(id="r-2", status="errored", error="<i>no broker</i>")
    page = await site.get("/replays")
    assert 'href="/replays/r-1"' in page
    assert "<i>no broker" not in page
    assert "data-poll-ms" in page


async def test_one_that_is_not_there(site):
    assert "no replay" in await site.get("/replays/r-none", status=404)
    status, _, _ = await site.post("/replays/r-none/execute", {"confirm": "yes"})
    assert status == 404
    status, _, _ = await site.post("/replays/r-none/stop")
    assert status == 404


def test_times_of_the_form_are_utc_unless_they_say_otherwise():
    def start(text):
        return ask_of({"start": "time", "start_value": text}).start

    assert start("2026-01-31T10:00") == "time:2026-01-31T10:00Z"
    assert start("2026-01-31T10:00+01:00") == "time:2026-01-31T10:00+01:00"
    assert start("2026-01-31T10:00Z") == "time:2026-01-31T10:00Z"
    with pytest.raises(InvalidRequest):
        ask_of({"start": "duration", "start_value": " "})
