"""An order from its creation to its end over HTTP alone: a real gateway, a real worker."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from stepwell.streams.operator.queries import describe_instance
from tests.broker_process import broker_process
from tests.e2e.deployment import Deployment

pytestmark = pytest.mark.slow

ORDERS = "/api/v1/workflows/order/instances"


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    with broker_process(tmp_path / "broker") as broker:
        deployment = Deployment.create(
            tmp_path, broker.address, STEPWELL_WORKER_WORKFLOWS="tests.e2e.behaviours:all_of_them"
        )
        try:
            await deployment.start_gateway()
            await deployment.start_worker()
            yield deployment
        finally:
            deployment.close()


@pytest.fixture
async def client(deployment: Deployment) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(deployment.gateway_url) as client:
        yield client


async def post(client: aiohttp.ClientSession, path: str, body: Any = None) -> tuple[int, Any]:
    async with client.post(path, json=body or {}) as answer:
        return answer.status, await answer.json()


async def until(deployment: Deployment, status: str) -> None:
    await deployment.until(lambda ledger: bool(ledger.summaries(workflow="order", status=status)))


async def test_an_order_is_started_told_and_looked_at_over_http(
    deployment: Deployment, client: aiohttp.ClientSession
) -> None:
    one = f"{ORDERS}/one"
    new = {"id": "one", "params": {"id": 7}}
    status, created = await post(client, ORDERS, new)
    assert (status, created["instance_id"]) == (201, "one")
    status, problem = await post(client, ORDERS, new)
    assert (status, problem["code"]) == (409, "instance.already_exists")
    await until(deployment, "waiting")
    assert (await post(client, f"{one}/pause", {"reason": "lunch"}))[0] == 202
    await until(deployment, "paused")
    paid = {"type": "paid", "payload": {"order": {"id": 7}, "amount": 5}, "event_id": "e-1"}
    assert (await post(client, f"{one}/events", paid))[0] == 202
    assert (await post(client, f"{one}/resume"))[0] == 202
    await until(deployment, "complete")

    async with client.get(one) as answer:
        found = await answer.json()
    assert found["output"] == {"shipped": True, "amount": 5}
    details = await describe_instance(deployment.settings, "order", "one")
    assert details is not None
    assert [step["name"] for step in found["steps"]] == [step.name for step in details.steps]
    async with client.delete(one) as answer:
        assert (answer.status, (await answer.json())["status"]) == (202, None)
    async with client.get(one) as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "instance.not_found")
    assert deployment.stop("gateway") == 0
