"""The main job: a GitHub webhook is posted, a worker carries it, a search finds it."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from stepwell.schemas.documents import SearchFilters
from stepwell.schemas.github import document_key
from stepwell.streams.collections import list_collections
from stepwell.streams.operator.queries import describe_instance, search
from tests.e2e.deployment import Deployment
from tests.servers import WeaviateServer

pytestmark = [pytest.mark.kafka, pytest.mark.weaviate, pytest.mark.model]

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (ROOT / "tests" / "schemas" / "samples", ROOT.parent / "shared/data/github-webhooks")


def payloads() -> list[tuple[str, dict[str, Any]]]:
    """(event, payload) of every sample; the file name begins with the event."""
    files = sorted(file for folder in FOLDERS for file in folder.glob("*.json"))
    assert files, "no samples"
    return [(file.name.split(".")[0], orjson.loads(file.read_bytes())) for file in files]


@pytest.fixture
async def deployment(
    tmp_path: Path, kafka_bootstrap: str, weaviate_server: WeaviateServer
) -> AsyncIterator[Deployment]:
    deployment = Deployment.create(tmp_path, kafka_bootstrap, weaviate_server.url)
    try:
        await deployment.start_gateway()
        await deployment.start_worker()
        yield deployment
    finally:
        deployment.close()


def expected_documents(posted: list[tuple[str, dict[str, Any]]]) -> dict[str, str]:
    """Key to title of what must be in the index: the newest version, unless that is gone."""
    newest: dict[str, tuple[str, bool, str]] = {}
    for event, payload in posted:
        kind = {"issues": "issue", "milestone": "milestone"}.get(event)
        if kind is None:
            continue
        item = payload[kind]
        key = document_key(kind, payload["repository"]["full_name"], item["number"])
        gone = payload["action"] in ("deleted", "transferred")
        newest[key] = max(
            newest.get(key, ("", False, "")), (item["updated_at"], gone, item["title"])
        )
    return {key: title for key, (_, gone, title) in newest.items() if not gone}


async def test_every_sample_ends_as_the_right_document(deployment: Deployment) -> None:
    posted = payloads()
    started: list[str] = []
    async with aiohttp.ClientSession() as client:
        for event, payload in posted:
            delivery = str(uuid.uuid4())
            status, answer = await deployment.post(client, event, delivery, payload)
            assert status in (200, 202), answer
            if event in ("issues", "milestone"):
                started.append(delivery)
    ledger = await deployment.until(
        lambda ledger: {s.instance_id for s in ledger.summaries(status="complete")} >= set(started)
    )
    assert {s.instance_id for s in ledger.summaries()} == set(started), "something else started"

    expected = expected_documents(posted)
    (collection,) = await list_collections(deployment.settings)
    assert collection.documents == len(expected)
    for key, title in expected.items():
        hits = await search(deployment.settings, title, SearchFilters(), limit=len(expected))
        assert key in {hit.document.key for hit in hits if hit.document.title == title}


async def test_a_delivery_posted_three_times_starts_one_instance(deployment: Deployment) -> None:
    event, payload = next(sample for sample in payloads() if sample[1].get("action") == "opened")
    delivery = str(uuid.uuid4())
    async with aiohttp.ClientSession() as client:
        answers = [await deployment.post(client, event, delivery, payload) for _ in range(3)]
    assert [status for status, _ in answers] == [202, 202, 202]
    assert [answer.get("duplicate", False) for _, answer in answers] == [False, True, True]
    ledger = await deployment.until(lambda ledger: bool(ledger.summaries(status="complete")))
    assert len(ledger.summaries()) == 1
    details = await describe_instance(deployment.settings, None, delivery)
    assert details is not None
    names = [step.name for step in details.steps]
    assert names == ["fetch-content", "generate-embedding", "upsert-vector"]


async def test_a_search_finds_by_meaning_and_by_filter(deployment: Deployment) -> None:
    def issue(number: int, title: str, repo: str) -> dict[str, Any]:
        return {
            "action": "opened",
            "repository": {"full_name": repo},
            "issue": {
                "number": number,
                "title": title,
                "body": "",
                "state": "open",
                "html_url": f"https://github.com/{repo}/issues/{number}",
                "updated_at": "2026-11-01T00:00:00Z",
                "labels": [],
            },
        }

    async with aiohttp.ClientSession() as client:
        for number, title, repo in [
            (1, "The customer was charged twice", "acme/shop"),
            (2, "Login fails on Safari", "acme/site"),
            (3, "Dark mode", "acme/site"),
        ]:
            body = issue(number, title, repo)
            await deployment.post(client, "issues", str(uuid.uuid4()), body)
    await deployment.until(lambda ledger: len(ledger.summaries(status="complete")) == 3)
    hits = await search(deployment.settings, "double payment", SearchFilters(), limit=1)
    assert [hit.document.title for hit in hits] == ["The customer was charged twice"]
    only = SearchFilters(repo="acme/site")
    hits = await search(deployment.settings, "double payment", only, limit=5)
    assert {hit.document.number for hit in hits} == {2, 3}


async def test_a_stopped_worker_leaves_nothing_undone(deployment: Deployment) -> None:
    event, payload = next(sample for sample in payloads() if sample[1].get("action") == "opened")
    async with aiohttp.ClientSession() as client:
        for _ in range(20):
            await deployment.post(client, event, str(uuid.uuid4()), payload)
    assert deployment.stop("worker") == 0
    await deployment.start_worker()
    await deployment.until(lambda ledger: len(ledger.summaries(status="complete")) == 20)
