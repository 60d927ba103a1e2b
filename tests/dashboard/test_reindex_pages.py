"""Re-indexes: how far they are, started and stopped by forms."""

import pytest

from stepwell.streams.dashboard.progress import Progress
from stepwell.streams.dashboard.reindex_pages import ReindexPages
from stepwell.streams.errors import InvalidRequest
from stepwell.streams.gateway.reindex_list import ReindexListApi
from tests.dashboard.conftest import running_site, text_of
from tests.dashboard.desks import NOW_MS, Reindexing


@pytest.fixture
def desk():
    return Reindexing()


@pytest.fixture
async def site(desk):
    async with running_site(
        pages=(
            lambda site: ReindexPages(site, desk, clock=lambda: NOW_MS).routes(),
            lambda site: ReindexListApi(desk, site.guard).routes(),
        )
    ) as site:
        yield site


async def test_nothing_was_indexed_again_yet(site):
    page = await site.get("/reindexes")
    assert "stepwell reindex --source" in page
    assert "data-poll-ms" not in page


async def test_one_that_runs_shows_share_speed_and_time_left(site, desk):
    desk.put()
    page = await site.get("/reindexes")
    assert '<progress class="progress" max="100" value="25"' in page
    shown = text_of(page)
    assert "5/s" in shown
    assert "2 m 30 s" in shown
    assert 'data-poll-ms="2000"' in page


async def test_one_whose_end_is_not_known_shows_what_was_done(site, desk):
    desk.put(documents=None, stored=7)
    page = await site.get("/reindexes")
    assert "not known" in text_of(page)
    assert 'value="' not in page.partition('<progress class="progress"')[2].partition(">")[0]


async def test_past_ones_show_failures_as_text(site, desk):
    failures = ("acme/site#9: <script>alert(1)</script>",)
    desk.put(status="errored", failed=3, failures=failures, error="<b>Boom</b>")
    page = await site.get("/reindexes")
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>Boom" not in page
    assert "<script>alert" not in page
    assert "3 failed" in text_of(page)
    assert "data-poll-ms" not in page


async def test_a_form_starts_one(site, desk):
    given = {"source": "github:acme/site", "rate": "2.5", "prune": "yes", "into": "", "id": ""}
    status, place, _ = await site.post("/reindexes", given)
    assert (status, place) == (303, "/reindexes")
    (asked,) = desk.asked
    assert (asked.source, asked.rate, asked.prune, asked.into) == (
        "github:acme/site",
        2.5,
        True,
        None,
    )
    assert "Re-index r-9 of github:acme/site" in await site.get("/reindexes")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"source": ""}, "source"),
        ({"source": "x", "rate": "fast"}, "is no number"),
        ({"source": "x", "rate": "-1"}, "rate"),
        ({"source": "x", "rate": "nan"}, "rate"),
        ({"source": "x", "into": "no good name!"}, "into"),
    ],
)
async def test_a_wrong_form_keeps_what_was_written(site, desk, given, said):
    status, _, page = await site.post("/reindexes", given)
    assert status == 422
    assert "Not started." in page
    assert said in page
    assert f'value="{given["source"]}"' in page
    assert desk.asked == []


async def test_what_the_gateway_refuses_is_said(site, desk):
    desk.error = InvalidRequest("source 'x' is not github:owner/name")
    status, _, page = await site.post("/reindexes", {"source": "x"})
    assert status == 422
    assert "is not github:owner/name" in page


async def test_stopping_one_needs_its_box_ticked(site, desk):
    desk.put()
    status, _, page = await site.post("/reindexes/r-1/stop", {"reason": "wrong one"})
    assert status == 422
    assert "Tick the box" in page
    given = {"reason": "wrong one", "confirm": "r-1"}
    status, place, _ = await site.post("/reindexes/r-1/stop", given)
    assert (status, place) == (303, "/reindexes")
    assert desk.stopped == [("r-1", "wrong one")]


async def test_the_twin_lists_the_same(site, desk):
    desk.put()
    async with site.session.get("/api/v1/reindexes") as answer:
        (found,) = (await answer.json())["reindexes"]
    assert found["view"]["stored"] == 250
    assert found["created_ms"] == NOW_MS - 50_000


@pytest.mark.parametrize(
    ("done", "total", "elapsed_ms", "over", "percent", "left_ms", "speed"),
    [
        (0, 10, 1_000, False, 0, None, "–"),
        (5, 10, 1_000, False, 50, 1_000, "5/s"),
        (999, 1000, 1_000, False, 99, 1, "999/s"),
        (10, 10, 2_000, True, 100, None, "5/s"),
        (0, 0, 0, True, 100, None, "–"),
        (0, 0, 0, False, 0, None, "–"),
        (7, None, 70_000, False, None, None, "0.1/s"),
        (12, 10, 1_000, False, 100, 0, "12/s"),
    ],
)
def test_progress(done, total, elapsed_ms, over, percent, left_ms, speed):
    progress = Progress(done, total, elapsed_ms, over)
    assert (progress.percent, progress.left_ms, progress.speed) == (percent, left_ms, speed)
