"""The page of an instance: every status, what it did, why it does not go on, and its forms."""

import asyncio
import re

import pytest

from stepwell.schemas.commands import EventReceived
from stepwell.schemas.journal import (
    AttemptFailed,
    InstanceCreated,
    InstanceErrored,
    InstanceQueued,
    InstanceStarted,
    StepSucceeded,
)
from stepwell.schemas.parts import ErrorInfo, Parent, Replay, Schedule
from stepwell.streams.errors import BrokerUnavailable
from tests.dashboard.conftest import BOOM, NOW_MS, STATUSES, origin, running_site, text_of

ONE = "/instances/order/one"
PAGE_BYTES_MAX = 200_000


@pytest.fixture
async def one(site):
    await site.put("order/one", InstanceCreated({"n": 1}, NOW_MS - 60_000, origin()))
    return site


def buttons(page):
    """The forms that there are, by what they do."""
    return re.findall(r'action="/instances/order/[\w-]+/([\w-]+)"', page)


@pytest.mark.parametrize(
    ("status", "forms"),
    [
        ("queued", ["pause", "send-event", "restart", "cancel", "terminate", "delete"]),
        ("running", ["pause", "send-event", "restart", "cancel", "terminate", "delete"]),
        ("waiting", ["pause", "send-event", "restart", "cancel", "terminate", "delete"]),
        ("waitingForPause", ["resume", "send-event", "restart", "cancel", "terminate", "delete"]),
        ("paused", ["resume", "send-event", "restart", "cancel", "terminate", "delete"]),
        ("errored", ["restart", "delete"]),
        ("terminated", ["restart", "delete"]),
        ("complete", ["restart", "delete"]),
    ],
)
async def test_every_status_has_its_page_and_its_forms(site, status, forms):
    await site.tell_status(status)
    page = await site.get(f"/instances/order/{status}")
    assert f'class="status s-{status}"' in page
    assert buttons(page) == forms


def test_no_status_was_forgotten():
    from stepwell.streams.engine.state import Status

    assert set(STATUSES) == set(Status)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("queued", "it is queued: running_max (limit)"),
        ("running", "attempt 1 of call-1 failed; the next one:"),
        ("waiting", "nap-1 sleeps until"),
        ("waiting", "ok-1 waits for event 'approved' with {'id': 7}"),
        ("waitingForPause", "it pauses when the steps that run have ended"),
        ("paused", "it is paused: lunch (pause) What to do: stepwell instances resume paused"),
        ("errored", "Boom it broke"),
        ("terminated", "no longer wanted"),
        ("complete", '{ "total": 42 }'),
    ],
)
async def test_the_page_says_why_it_does_not_advance(site, status, expected):
    await site.tell_status(status)
    page = text_of(await site.get(f"/instances/order/{status}"))
    assert expected in page.replace("&#39;", "'").replace("&#34;", '"')


async def test_where_it_came_from_is_shown(site):
    parent = Parent("order/mother", 0, "ship", 1, 1, awaited=True)
    await site.put("order/one", InstanceCreated(None, 1_000, origin(), parent))
    page = await site.get(ONE)
    assert "stepwell.events:3:14" in page
    assert 'href="/instances/order/mother"' in page
    assert 'href="/instances?subject=github%3Aacme%2Fsite%231"' in page
    assert 'href="https://github.com/acme/site/issues/1"' in page
    assert (
        'href="/replays?start=offset&amp;start_value=14&amp;until=offset&amp;until_value=15'
        '&amp;topics=stepwell.events%3A3"'
    ) in page


@pytest.mark.parametrize(
    "subject", ["github:a/b#1/../..", "github:a b#1", "https://x", "github:é/b#1"]
)
async def test_only_an_issue_has_a_link_to_another_site(site, subject):
    await site.put("order/one", InstanceCreated(None, 1_000, origin(subject)))
    assert "https://" not in (await site.get(ONE)).replace(subject, "")


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({}, "api"),
        ({"origin": origin()}, "event"),
        ({"schedule": Schedule("0 * * * *", 1_000)}, "cron 0 * * * *"),
        ({"parent": Parent("order/p", 0, "s", 1, 1, awaited=False)}, "child"),
        ({"replay": Replay("r-1", "order/old")}, "replay"),
    ],
)
async def test_what_started_it_is_said_in_a_word(site, more, word):
    await site.put("order/one", InstanceCreated(None, 1_000, **more))
    assert f"Started by {word}" in text_of(await site.get(ONE))


async def test_the_timeline_has_one_bar_for_each_attempt_and_each_wait(site):
    at = NOW_MS - 60_000
    run = await site.put("order/one", InstanceCreated(None, at))
    await site.put("order/one", InstanceQueued(run, 0, at, "running_max"))
    await site.put("order/one", InstanceStarted(run, 0, at + 5_000))
    failed = AttemptFailed(run, "pay", 1, 1, 0, at + 5_000, at + 6_000, BOOM, at + 8_000, call=1)
    await site.put("order/one", failed)
    done = StepSucceeded(run, "pay", 1, 2, 0, at + 9_000, at + 10_000, "ok", call=1)
    await site.put("order/one", done)
    page = await site.get(ONE)
    lanes = page[page.index('class="lanes"') : page.index('class="legend"')]
    assert re.findall(r'class="bar bar-([\w-]+)', lanes) == [
        "queue",
        "failed",
        "backoff",
        "queue",
        "run",
    ]
    # The same in words, for those who do not see the bars.
    assert (
        'aria-label="pay: attempt 1 failed: 1 s, from 5 s; waits before the next attempt: 2 s, '
        'from 6 s; waits for a place: 1 s, from 8 s; attempt 2 succeeded: 1 s, from 9 s"'
    ) in lanes
    assert "Boom: it broke" in page


async def test_long_values_are_cut_and_lead_to_the_whole(site):
    await site.put("order/one", InstanceCreated("x" * 50_000, 1_000))
    page = await site.get(ONE)
    assert "48.8 KiB, cut" in page
    assert 'href="/api/v1/workflows/order/instances/one"' in page
    assert "x" * 8_001 not in page


async def test_a_page_is_small_however_much_has_happened(site):
    run = await site.put("order/one", InstanceCreated("i" * 100_000, 1_000))
    error = ErrorInfo("Boom", "e" * 50_000)
    for number in range(1, 151):
        name = f"step-{'n' * 40}-{number}"
        for attempt in (1, 2, 3):
            failed = AttemptFailed(
                run, name, 1, attempt, 0, 1_000, 2_000, error, 3_000, call=number
            )
            await site.put("order/one", failed)
        done = StepSucceeded(run, name, 1, 4, 0, 3_000, 4_000, "o" * 5_000, call=number)
        await site.put("order/one", done)
    await site.put("order/one", EventReceived("t", "p" * 50_000, 5_000, "e"))
    await site.put("order/one", InstanceErrored(run, 0, 6_000, error))
    page = await site.get(ONE)
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    files += ["/static/live.js"]
    weight = sum([len(await site.get(file)) for file in set(files)])
    assert len(page.encode()) + weight < PAGE_BYTES_MAX
    assert "Steps 111 to 150 of 150" in page
    assert "Steps 31 to 70 of 150" in await site.get(f"{ONE}?from=31")


@pytest.mark.parametrize("asked", ["0", "-1", "9999999999999", "x", "²"])
async def test_any_place_among_the_steps_may_be_asked_for(one, asked):
    await one.get(f"{ONE}?from={asked}")


async def test_latest_leads_to_the_newest(one):
    async with one.session.get("/instances/order/latest", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, ONE)


async def test_what_is_not_there_is_a_page_that_says_so(one):
    page = await one.get("/instances/order/two", status=404)
    assert "There is no instance order/two" in page
    assert '<a href="/instances">' in page


async def unavailable(_):
    raise BrokerUnavailable("no answer")


async def never(_):
    await asyncio.Event().wait()


@pytest.mark.parametrize("explaining", [unavailable, never])
async def test_without_the_broker_the_page_still_comes(explaining):
    async with running_site(explaining=explaining, explain_timeout_ms=1) as site:
        await site.tell_status("running")
        page = await site.get("/instances/order/running")
    assert "The broker did not say in time who carries it" in page


class TestForms:
    async def test_a_form_without_a_script_pauses_and_the_next_page_says_so(self, one):
        status, place, _ = await one.post(f"{ONE}/pause", {"reason": "lunch <b>"})
        assert (status, place) == (303, ONE)
        page = await one.get(place)
        assert "Pause: accepted." in page
        assert "waitingForPause" in page
        assert "lunch &lt;b&gt;" in page
        assert "Pause: accepted." not in await one.get(place)  # said once

    @pytest.mark.parametrize(
        ("action", "fields", "status"),
        [
            ("terminate", {"confirm": "yes", "reason": "wrong"}, "terminated"),
            ("restart", {"reason": "again", "from_step": ""}, "running"),
            ("restart", {"from_step": "do/1/pay"}, "running"),
            ("cancel", {}, "running"),
            ("send-event", {"type": "approved", "payload": '{"by": "ann"}'}, "running"),
        ],
    )
    async def test_forms_do_what_they_say(self, one, action, fields, status):
        await one.put("order/one", StepSucceeded(0, "pay", 1, 1, 0, 1, 2, None, call=1))
        answer = await one.post(f"{ONE}/{action}", fields)
        assert answer[:2] == (303, ONE), answer[2]
        assert f'class="status s-{status}"' in await one.get(ONE)

    async def test_an_event_arrives_with_its_payload(self, one):
        fields = {"type": "approved", "payload": '{"by": "ann"}', "event_id": "e-7"}
        await one.post(f"{ONE}/send-event", fields)
        page = await one.get(ONE)
        assert "approved" in page
        assert "ann" in page

    async def test_deleting_leads_to_the_list(self, one):
        status, place, _ = await one.post(f"{ONE}/delete", {"confirm": "yes"})
        assert (status, place) == (303, "/instances")
        assert "It is forgotten." in await one.get(place)
        await one.get(ONE, status=404)

    async def test_what_has_no_effect_is_said(self, site):
        await site.tell_status("running")
        path = "/instances/order/running"
        await site.post(f"{path}/resume")
        assert "Resume: no effect." in await site.get(path)

    @pytest.mark.parametrize(
        ("action", "fields", "status", "detail"),
        [
            ("terminate", {}, 422, "tick the box that confirms it"),
            ("delete", {"reason": "x"}, 422, "tick the box that confirms it"),
            ("pause", {"reason": "x" * 1001}, 422, "reason: "),
            ("send-event", {"type": "a b", "payload": ""}, 422, "a b"),
            ("send-event", {"type": "ok", "payload": "{no"}, 422, "payload: not JSON"),
            ("send-event", {"payload": "{}"}, 422, ""),
            ("restart", {"from_step": "do/1/nothing"}, 409, "nothing"),
            ("restart", {"from_step": "nonsense"}, 422, "choose one of the steps"),
            ("restart", {"from_step": "do/0/pay"}, 422, "numbers begin at 1"),
        ],
    )
    async def test_what_is_refused_is_said_on_the_page_with_what_was_typed(
        self, one, action, fields, status, detail
    ):
        got, _, page = await one.post(f"{ONE}/{action}", fields)
        assert got == status
        assert "refused." in page
        assert detail in page
        opened = page.partition(f'id="action-{action}"')[2].partition("</details>")[0]
        assert opened.partition(">")[0].endswith("open")
        typed = {name: value for name, value in fields.items() if name != "from_step"}
        assert all(value in opened for value in typed.values())

    async def test_a_command_that_comes_too_late_is_refused_with_the_reason(self, site):
        await site.tell_status("complete")
        status, _, page = await site.post("/instances/order/complete/terminate", {"confirm": "yes"})
        assert status == 409
        assert "Terminate: refused." in page

    @pytest.mark.parametrize("path", [f"{ONE}/explode", "/instances/order/two/pause"])
    async def test_what_is_not_there_cannot_be_told(self, one, path):
        status, _, page = await one.post(path, headers={"Origin": one.url, "Accept": "text/html"})
        assert status == 404
        assert "<html" in page

    async def test_while_kafka_is_away_nothing_is_promised(self, one):
        one.topic.up = False
        status, _, page = await one.post(f"{ONE}/pause")
        assert status == 503
        assert "the broker is down" in page


async def test_a_page_of_a_form_that_was_refused_goes_on_with_the_instance(one):
    _, _, page = await one.post(f"{ONE}/terminate")
    assert f'data-here="{ONE}"' in page
