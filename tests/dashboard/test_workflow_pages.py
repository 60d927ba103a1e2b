"""Workflows: the list, the step graph beside statistics, and what is shown without source."""

import re

import pytest

from stepwell.schemas.journal import InstanceCreated
from stepwell.streams.dashboard.steps import Matching
from stepwell.streams.dashboard.workflow_pages import WorkflowPages
from stepwell.streams.gateway.workflows import WorkflowApi
from stepwell.streams.lists import StepStatistics
from tests.dashboard.conftest import running_site, text_of
from tests.dashboard.desks import NOW_MS, Journal
from tests.graphs.outlines import graph_of

EVIL = "<script>alert(1)</script>"
SOURCE = """
from stepwell.streams import Workflow

class Evil(Workflow, name="evil"):
    \"\"\"A <b>bold</b> claim.\"\"\"
    async def run(self, event, step):
        await step.do("<script>alert(1)</script>", f)
        if event.payload == "<img src=x onerror=alert(2)>":
            await other(step, "\\"><svg onload=alert(3)>")
"""


@pytest.fixture
def journal():
    journal = Journal()
    for number in range(12):
        journal.pipeline(number, fails=number == 3, retried=number < 4)
    journal.brief()
    return journal


def pages_of(workflows, create=None):
    return (
        lambda site: WorkflowPages(site, workflows, create).routes(),
        lambda site: WorkflowApi(workflows, site.guard).routes(),
    )


@pytest.fixture
async def site(journal):
    async with running_site(pages=pages_of(journal.workflows(), journal.create)) as site:
        yield site


async def test_the_list_has_those_with_instances_and_those_with_source(site):
    page = await site.get("/workflows")
    assert 'href="/workflows/data-pipeline"' in page
    assert 'href="/workflows/approval"' in page
    shown = text_of(page)
    assert "One file, from where it lies to the table." in shown
    assert "on_event(&#39;com.example.user.signed-up&#39;)" in shown
    assert "complete 11" in shown
    assert "stepwell-schedule" not in shown


async def test_a_step_graph_leads_to_the_lines_of_its_source(site):
    page = await site.get("/workflows/data-pipeline")
    graph = page.partition("<svg xmlns")[2].partition("</svg>")[0]
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets
    assert targets <= set(re.findall(r'id="([^"]+)"', page))
    assert "10 retries, timeout 2 minutes" in graph
    assert "p50 105 ms" in graph
    assert "12 ×, 4 retries" in graph
    assert "1 failed" in graph
    assert "style=" not in page
    assert "The same as a list" in page


async def test_the_table_says_what_the_statistics_are_of(site):
    shown = text_of(await site.get("/workflows/brief-analysis"))
    assert "the one instance there is" in shown
    assert "analyse-audience do 1 1 s" in shown
    assert "gone do 1 2 s 2 s 1 0 not in the source" in shown
    assert "None of these instances came to: summarise" in shown


async def test_without_source_there_are_statistics_and_a_reason(journal):
    async with running_site(pages=pages_of(journal.workflows("nowhere_at_all:x"))) as site:
        page = await site.get("/workflows/data-pipeline")
        assert "the source of nowhere_at_all (worker.workflows) is not found" in page
        assert "transform" in page
        assert "<svg xmlns" not in page
        assert "No step graphs" in await site.get("/workflows")


async def test_a_workflow_that_ran_but_is_in_no_source(site, journal):
    journal.put("old-one/a", InstanceCreated({}, NOW_MS))
    page = await site.get("/workflows/old-one")
    assert "no class of this name is in the source" in page


async def test_a_workflow_of_nobody_is_no_page(site):
    page = await site.get("/workflows/no-such", status=404)
    assert "there is no workflow no-such" in page


async def test_what_the_source_says_is_text(journal):
    found = {"evil_source": SOURCE}.get
    async with running_site(
        pages=pages_of(journal.workflows("evil_source:x", find_source=found))
    ) as site:
        page = await site.get("/workflows/evil")
        assert "<script>alert" not in page
        assert "<svg onload" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "<b>bold" not in page + await site.get("/workflows")


async def test_the_twin_has_the_graph_and_the_statistics(site):
    async with site.session.get("/api/v1/workflows/data-pipeline") as answer:
        found = await answer.json()
    assert [node["name"] for node in found["graph"]["nodes"]] == ["extract", "transform", "load"]
    assert found["statistics"]["counts"] == {"complete": 11, "errored": 1}
    assert found["statistics"]["steps"][0]["attempts"] == 16
    assert found["problem"] == ""
    async with site.session.get("/api/v1/workflows/no-such") as answer:
        assert answer.status == 404
        assert (await answer.json())["code"] == "workflow.not_found"


async def test_pages_are_small(site):
    for path in ("/workflows", "/workflows/data-pipeline", "/workflows/reindex"):
        assert len(await site.get(path)) < 150_000


async def test_a_form_starts_an_instance_and_leads_to_it(site, journal):
    given = {"params": ' {"url": "x"} ', "id": "p-new"}
    status, place, _ = await site.post("/workflows/data-pipeline/instances", given)
    assert (status, place) == (303, "/instances/data-pipeline/p-new")
    await site.post("/workflows/data-pipeline/instances", {"params": "", "id": ""})
    assert journal.started == [
        ("data-pipeline", {"url": "x"}, "p-new"),
        ("data-pipeline", None, None),
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"params": "{", "id": ""}, "params: not JSON"),
        ({"params": "<b>", "id": ""}, "params: not JSON"),
        ({"params": "1", "id": "taken"}, "there is an instance taken"),
    ],
)
async def test_a_wrong_start_keeps_what_was_written(site, journal, given, said):
    status, _, page = await site.post("/workflows/data-pipeline/instances", given)
    assert status == 422
    assert said in page
    assert "<b></textarea>" not in page
    assert f'value="{given["id"]}"' in page
    assert journal.started == []


@pytest.mark.parametrize("steps", [120, 1_500])
async def test_a_workflow_with_very_many_steps_has_a_small_page(journal, steps):
    lines = "\n".join(f'        await step.do("s{n}" + "x" * {n}, f)' for n in range(steps))
    text = "from stepwell.streams import Workflow\nclass Many(Workflow):\n"
    text += f"    async def run(self, event, step):\n{lines}\n"
    run = journal.put("many/m", InstanceCreated({}, NOW_MS))
    for number in range(300):
        journal.step(run, "many/m", f"s{number}" + "x" * 150, NOW_MS, 5, number + 1)
    workflows = journal.workflows("many_steps:x", find_source={"many_steps": text}.get)
    async with running_site(pages=pages_of(workflows)) as site:
        page = await site.get("/workflows/many")
    assert len(page) < 200_000
    assert "too large to be drawn" in page
    assert "The first 100 of 300" in page


def went(name, kind="do", **more):
    numbers = {"count": 1, "complete": 1, "failed": 0, "attempts": 1, "p50_ms": 5, "p95_ms": 9}
    return StepStatistics(name, kind, **(numbers | more))


def test_names_that_are_written_out_come_before_patterns():
    graph = graph_of('await step.do("send mail", f)\nawait step.do(f"send {x}", f)')
    matching = Matching(graph, [went("send mail"), went("send fax"), went("send", kind="sleep")])
    lines = [[line.number for line in row.lines] for row in matching.rows]
    assert [len(it) for it in lines] == [1, 1, 0]
    assert lines[0] != lines[1]
    assert matching.missing == ()


def test_several_names_of_one_place_are_a_range():
    graph = graph_of('await step.do(f"ask {x}", f)')
    matching = Matching(
        graph, [went("ask a", p50_ms=1_000), went("ask b", p50_ms=3_000, attempts=3)]
    )
    assert matching.notes(graph.steps[0]) == ("p50 1 s to 3 s · p95 9 ms", "2 ×, 2 retries")
