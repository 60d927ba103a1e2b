"""The kill test on the embedded broker and index, with the broker killed as well."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from stepwell.streams.index.factory import open_index
from tests.broker_process import BrokerProcess, broker_process
from tests.e2e.deployment import Deployment
from tests.e2e.test_kill import Run, webhook

pytestmark = pytest.mark.model

KILLS = 20
BROKER_KILLED_EVERY = 3
AWAY_S = 1.0
"""A killed broker stays away for up to this long."""
WEBHOOKS = 500
DIMENSION = 384


class BrokerRun(Run):
    """A run whose sender, like GitHub's operators, sends again what was not accepted."""

    def __init__(self, deployment: Deployment, broker: BrokerProcess) -> None:
        super().__init__(deployment)
        self.broker = broker
        self.broker_kills = self.sent_again = 0

    async def post_all(self, count: int = WEBHOOKS) -> None:
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout) as client:
            for number in range(1, count + 1):
                delivery, payload = str(uuid.uuid4()), webhook(number, self.random)
                while (answer := await self.deployment.post(client, "issues", delivery, payload))[
                    0
                ] != 202:
                    assert answer[0] == 503, answer
                    self.sent_again += 1
                    await asyncio.sleep(0.2)
                self.accepted[delivery] = payload["issue"]["title"]
                await asyncio.sleep(self.random.uniform(0, 0.2))

    async def kill_broker(self) -> None:
        self.broker.kill()
        self.broker_kills += 1
        await asyncio.sleep(self.random.uniform(0, AWAY_S))
        self.broker.start()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    with broker_process(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
async def deployment(tmp_path: Path, broker: BrokerProcess) -> AsyncIterator[Deployment]:
    deployment = Deployment.create(tmp_path, broker.address, f"sqlite://{tmp_path}/index.db")
    try:
        await deployment.start_gateway()
        yield deployment
    finally:
        deployment.close()


async def test_worker_and_broker_killed_at_random_moments(
    deployment: Deployment, broker: BrokerProcess
) -> None:
    run = BrokerRun(deployment, broker)
    deployment.environ["STEPWELL_WORKER_INSTANCE_ID"] = "the-worker"
    posting = asyncio.create_task(run.post_all())
    for number in range(KILLS):
        await deployment.start_worker(wait=run.random.random() < 0.7)
        await asyncio.sleep(run.random.uniform(0, 1.5))
        if number % BROKER_KILLED_EVERY == 0:
            await run.kill_broker()
            await asyncio.sleep(run.random.uniform(0, 1.5))
        deployment.kill()
        run.kills += 1
        await run.look()
    await deployment.start_worker()
    await posting
    evidence = await run.finish()
    run.report(evidence, f"one worker and {run.broker_kills} broker kills")
    assert await titles_in_index(deployment) == sorted(run.accepted.values())


async def test_two_workers_and_broker_killed_with_a_rebalance_each_time(
    deployment: Deployment, broker: BrokerProcess
) -> None:
    run = BrokerRun(deployment, broker)
    posting = asyncio.create_task(run.post_all())
    for name in ("left", "right"):
        await deployment.start_worker(name, wait=False)
    for number in range(KILLS):
        victim, survivor = run.random.choice((("left", "right"), ("right", "left")))
        await deployment.until_ready(survivor)
        await asyncio.sleep(run.random.uniform(0, 1.0))
        if number % BROKER_KILLED_EVERY == 0:
            await run.kill_broker()
        deployment.kill(victim)
        run.kills += 1
        await run.look()
        await deployment.start_worker(victim, wait=False)
    await posting
    evidence = await run.finish()
    run.report(evidence, f"two workers and {run.broker_kills} broker kills")
    assert await titles_in_index(deployment) == sorted(run.accepted.values())


async def test_a_worker_goes_on_when_the_broker_comes_back(
    deployment: Deployment, broker: BrokerProcess
) -> None:
    run = BrokerRun(deployment, broker)
    await deployment.start_worker()
    posting = asyncio.create_task(run.post_all(count=100))
    while not posting.done():
        await run.kill_broker()
        await asyncio.wait([posting], timeout=run.random.uniform(2, 4))
    await posting
    evidence = await run.finish()
    run.report(evidence, f"{run.broker_kills} broker kills")
    assert deployment.starts == 2, "gateway and worker were started once"
    assert await titles_in_index(deployment) == sorted(run.accepted.values())


async def titles_in_index(deployment: Deployment) -> list[str]:
    settings = deployment.settings.index
    index = await open_index(settings.url, settings.collection, DIMENSION)
    try:
        hits = await index.search(np.ones(DIMENSION, np.float32), limit=2 * WEBHOOKS)
        assert await index.count() == len(hits)
        return sorted(hit.document.title for hit in hits)
    finally:
        await index.close()
