"""Kill workers at any moment: nothing accepted is lost, nothing finished is done twice."""

import asyncio
import os
import secrets
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import orjson
import pytest
import weaviate

from stepwell.schemas.values import dumps
from stepwell.streams.engine.state import Status
from tests.e2e.deployment import Deployment
from tests.e2e.evidence import Evidence, gather_evidence
from tests.servers import WeaviateServer

pytestmark = [pytest.mark.kafka, pytest.mark.weaviate, pytest.mark.model]

KILLS = 20
WEBHOOKS = 500
SUBJECTS = ("login", "invoice", "search", "export", "payment", "dashboard", "upload", "calendar")
TROUBLES = ("hangs", "is slow", "shows the wrong date", "loses data", "asks twice", "looks odd")


def webhook(number: int, random: Random) -> dict[str, Any]:
    title = f"The {random.choice(SUBJECTS)} {random.choice(TROUBLES)} ({number})"
    return {
        "action": "opened",
        "repository": {"full_name": "acme/site"},
        "issue": {
            "number": number,
            "title": title,
            "body": " ".join(random.choices(SUBJECTS + TROUBLES, k=random.randint(0, 40))),
            "state": "open",
            "html_url": f"https://github.com/acme/site/issues/{number}",
            "updated_at": "2026-11-01T00:00:00Z",
            "labels": [],
        },
    }


class Run:
    """One run of the kill test: posts, kills, and keeps what was seen on the way."""

    def __init__(self, deployment: Deployment) -> None:
        self.seed = int(os.environ.get("STEPWELL_TEST_SEED", secrets.randbelow(10**9)))
        self.random = Random(self.seed)
        self.deployment = deployment
        self.accepted: dict[str, str] = {}
        self.kills = 0
        self.looked_at = 0
        self.seen: dict[Any, Any] = {}

    async def post_all(self) -> None:
        async with aiohttp.ClientSession() as client:
            for number in range(1, WEBHOOKS + 1):
                delivery, payload = str(uuid.uuid4()), webhook(number, self.random)
                status, answer = await self.deployment.post(client, "issues", delivery, payload)
                assert status == 202, answer
                self.accepted[delivery] = payload["issue"]["title"]
                await asyncio.sleep(self.random.uniform(0, 0.2))

    async def look(self) -> Evidence:
        """Check what must hold at every moment; remember all results seen."""
        evidence = await gather_evidence(self.deployment)
        self.looked_at += evidence.check_nothing_was_committed_ahead()
        for step, result in evidence.results.items():
            first = self.seen.setdefault(step, dumps(result))
            assert first == dumps(result), f"the recorded result of {step} changed"
        assert evidence.results.keys() >= self.seen.keys(), "a recorded result is gone"
        return evidence

    async def finish(self) -> Evidence:
        """Wait until every accepted delivery has its instance complete, then look a last time."""
        wanted = set(self.accepted)
        await self.deployment.until(
            lambda ledger: {s.instance_id for s in ledger.summaries(status="complete")} >= wanted
        )
        evidence = await self.look()
        assert {key.instance for key in evidence.statuses} == wanted
        assert set(evidence.statuses.values()) == {Status.COMPLETE}
        return evidence

    def report(self, evidence: Evidence, name: str) -> None:
        figures = {
            "test": name,
            "seed": self.seed,
            "webhooks": len(self.accepted),
            "kills": self.kills,
            "records_committed_and_found": self.looked_at,
            "step_results": len(evidence.results),
            **dict(sorted(evidence.records.items())),
        }
        print("\n" + orjson.dumps(figures).decode())


async def check_index(deployment: Deployment, server: WeaviateServer, titles: set[str]) -> None:
    """The index holds one object for each webhook, and nothing else."""
    client = weaviate.use_async_with_local(
        host=server.http_host, port=server.http_port, grpc_port=server.grpc_port
    )
    async with client:
        collection = client.collections.use(deployment.settings.index.collection)
        found = [item.properties["title"] async for item in collection.iterator()]
    assert len(found) == len(titles)
    assert set(found) == titles


@pytest.fixture
async def deployment(
    tmp_path: Path, kafka_bootstrap: str, weaviate_server: WeaviateServer
) -> AsyncIterator[Deployment]:
    deployment = Deployment.create(tmp_path, kafka_bootstrap, weaviate_server.url)
    try:
        await deployment.start_gateway()
        yield deployment
    finally:
        deployment.close()


async def test_one_worker_killed_at_random_moments(
    deployment: Deployment, weaviate_server: WeaviateServer
) -> None:
    run = Run(deployment)
    deployment.environ["STEPWELL_WORKER_INSTANCE_ID"] = "the-worker"
    posting = asyncio.create_task(run.post_all())
    for _ in range(KILLS):
        await deployment.start_worker(wait=run.random.random() < 0.7)
        await asyncio.sleep(run.random.uniform(0, 1.5))
        deployment.kill()
        run.kills += 1
        await run.look()
    await deployment.start_worker()
    await posting
    evidence = await run.finish()
    run.report(evidence, "one worker")
    await check_index(deployment, weaviate_server, set(run.accepted.values()))


async def test_two_workers_killed_in_turn_with_a_rebalance_each_time(
    deployment: Deployment, weaviate_server: WeaviateServer
) -> None:
    run = Run(deployment)
    posting = asyncio.create_task(run.post_all())
    for name in ("left", "right"):
        await deployment.start_worker(name, wait=False)
    for _ in range(KILLS):
        victim = run.random.choice(("left", "right"))
        await deployment.until_ready({"left": "right", "right": "left"}[victim])
        await asyncio.sleep(run.random.uniform(0, 1.0))
        deployment.kill(victim)
        run.kills += 1
        await run.look()
        await deployment.start_worker(victim, wait=False)
    await posting
    evidence = await run.finish()
    run.report(evidence, "two workers")
    await check_index(deployment, weaviate_server, set(run.accepted.values()))
