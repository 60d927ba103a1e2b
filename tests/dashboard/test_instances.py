"""The list of instances: filters in the address, pages, empty states, refusals with reasons."""

import pytest

from stepwell.schemas.journal import InstanceCreated, InstanceErrored
from stepwell.schemas.parts import ErrorInfo
from tests.dashboard.conftest import BOOM, NOW_MS, STATUSES, origin, running_site, text_of


@pytest.fixture
async def four(site):
    """Three orders, of which one is errored, and an audit."""
    await site.put("order/a-1", InstanceCreated(None, NOW_MS - 4_000_000, origin()))
    await site.put("order/a-2", InstanceCreated(None, NOW_MS - 3_000))
    await site.put("order/b-1", InstanceCreated(None, NOW_MS - 2_000))
    await site.put("audit/c-1", InstanceCreated(None, NOW_MS - 1_000))
    await site.put("order/a-2", InstanceErrored(1, 0, NOW_MS - 500, BOOM))
    return site


def ids(page):
    names = ("a-1", "a-2", "b-1", "c-1")
    places = {page.find(f">{name}</a>"): name for name in names}
    return [name for place, name in sorted(places.items()) if place >= 0]


async def test_the_list_shows_the_newest_first_with_their_errors(four):
    page = await four.get("/instances")
    assert ids(page) == ["c-1", "b-1", "a-2", "a-1"]
    assert "Boom: it broke" in page
    assert "github:acme/site#1" in page


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"workflow": "audit"}, ["c-1"]),
        ({"status": "errored"}, ["a-2"]),
        (
            [("status", "errored"), ("status", "running"), ("workflow", "order")],
            ["b-1", "a-2", "a-1"],
        ),
        ({"id_prefix": "a-"}, ["a-2", "a-1"]),
        ({"subject": "github:acme/site#1"}, ["a-1"]),
        ({"text": "BROKE"}, ["a-2"]),
        ({"last": "1h"}, ["c-1", "b-1", "a-2"]),
        ({"created_before": str(NOW_MS - 2_500)}, ["a-2", "a-1"]),
        ({"created_from": "2026-11-18T11:05", "workflow": "", "text": ""}, ["c-1", "b-1", "a-2"]),
    ],
)
async def test_filters_of_the_address(four, params, expected):
    page = await four.get("/instances", params=params)
    assert ids(page) == expected


async def test_the_form_keeps_what_was_asked(four):
    page = await four.get("/instances", params={"text": 'a"<b', "workflow": "order", "last": "1d"})
    assert 'name="text" value="a&#34;&lt;b"' in page
    assert "<option selected>order</option>" in page
    assert '<option value="1d" selected>' in page


async def test_chips_count_the_statuses(site):
    await site.tell_all_statuses()
    await site.put("audit/one", InstanceCreated(None, NOW_MS))
    page = await site.get("/instances")
    chips = text_of(page[page.index('class="chips"') : page.index('class="filters')])
    assert "running 2" in chips
    assert all(f"{status} 1" in chips for status in STATUSES if status != "running")
    of_one = text_of((await site.get("/instances?workflow=audit")).partition('class="filters')[0])
    assert "running 1" in of_one
    assert "errored 0" in of_one


async def test_pages_fit_together(four):
    first = await four.get("/instances?limit=3")
    assert ids(first) == ["c-1", "b-1", "a-2"]
    link = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = await four.get(f"/instances{link}")
    assert ids(second) == ["a-1"]
    assert "First page" in second


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("color=red", "color: there is no such parameter"),
        ("status=happy", "status: one of queued,"),
        ("limit=0", "limit: 1 to 100"),
        ("cursor=x", "the cursor is not one"),
        ("created_from=yesterday", "created_from: milliseconds, or a time like"),
        ("last=5y", "last: one of 15m, 1h"),
        ("text=" + "x" * 1001, "text: at most 1000"),
        ("workflow=a&workflow=b", "workflow: is there twice"),
    ],
)
async def test_a_filter_that_is_wrong_is_said_and_kept(four, query, detail):
    page = await four.get(f"/instances?{query}", status=422)
    assert detail in page
    assert ids(page) == []


async def test_where_nothing_has_run_the_next_command_is_shown(site):
    page = await site.get("/instances")
    assert "Nothing has run yet" in page
    assert "stepwell trigger WORKFLOW" in page


async def test_where_nothing_fits_the_filters_can_be_cleared(four):
    page = await four.get("/instances?text=nowhere&workflow=order")
    assert "No instance fits these filters" in page
    assert "stepwell trigger order" in page


async def test_the_twin_for_programs_gives_the_same_list(four):
    page = await four.get("/instances?last=1h&workflow=order")
    twin = page.partition("<footer")[2].partition('href="')[2].partition('"')[0]
    async with four.session.get(twin.replace("&amp;", "&")) as answer:
        body = await answer.json()
    assert [it["instance_id"] for it in body["instances"]] == ["b-1", "a-2"]


async def test_before_the_journal_was_read_the_page_says_so():
    async with running_site(up=False) as site:
        page = await site.get("/instances", status=503)
    assert "the journal was not read" in page


async def test_the_root_leads_to_the_list(four):
    assert ids(await four.get("/")) == ["c-1", "b-1", "a-2", "a-1"]


async def test_a_page_is_small_however_much_is_on_it(site):
    error = ErrorInfo("Boom", "e" * 5_000)
    for number in range(100):
        key = f"{'w' * 64}/{number:0100}"
        run = await site.put(key, InstanceCreated(None, NOW_MS, origin("s" * 1_000)))
        await site.put(key, InstanceErrored(run, 0, NOW_MS, error))
    page = await site.get("/instances?limit=100")
    assert len(page.encode()) < 160_000  # the style sheet and the scripts are 30 kB
