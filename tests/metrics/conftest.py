"""A worker and a gateway in this process, on the embedded broker, that have carried a webhook."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
import pytest

from stepwell.streams.app import run_gateway, run_worker
from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.settings_load import load_settings
from tests.e2e.deployment import free_port, until_http
from tests.models.tiny import export, write_source

SECRET = "It's a Secret to Everybody"
POLL_S = 0.05
PAYLOAD = {
    "action": "opened",
    "repository": {"full_name": "acme/site"},
    "issue": {
        "number": 1,
        "title": "login page stays blank",
        "body": "after the update",
        "state": "open",
        "html_url": "https://github.com/acme/site/issues/1",
        "updated_at": "2026-11-01T00:00:00Z",
        "labels": [],
    },
}


@dataclass(frozen=True)
class Running:
    """Where the two processes answer."""

    client: aiohttp.ClientSession
    gateway: str
    worker: str

    async def post(self, delivery: str, *, secret: str = SECRET, status: int = 202) -> None:
        """Deliver a webhook."""
        body = orjson.dumps(PAYLOAD)
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "issues",
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}",
        }
        url = f"{self.gateway}/webhooks/github"
        async with self.client.post(url, data=body, headers=headers) as answer:
            assert answer.status == status, await answer.text()

    async def scrape(self, url: str, accept: str = "text/plain") -> str:
        """What Prometheus gets."""
        async with self.client.get(f"{url}/metrics", headers={"Accept": accept}) as answer:
            assert answer.status == 200
            assert answer.content_type == accept.partition(";")[0]
            return await answer.text()

    async def until(self, url: str, line: str) -> str:
        """Scrape until there is such a line."""
        while True:
            if line in (text := await self.scrape(url)):
                return text
            await asyncio.sleep(POLL_S)

    async def until_ready(self) -> None:
        for url in (self.gateway, self.worker):
            await until_http(f"{url}/readyz", lambda: None)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Running]:
    """Both, ready, with a model of random weights."""
    published = folder / "published"
    published.mkdir()
    write_source(published)
    gateway_port, worker_port = free_port(), free_port()
    async with EmbeddedBroker(BrokerConfig(folder / "broker")) as broker:
        environ = {
            "STEPWELL_KAFKA_BOOTSTRAP": broker.address,
            "STEPWELL_KAFKA_PARTITIONS": "2",
            "STEPWELL_MODEL_DIR": str(export(published, folder / "model")),
            "STEPWELL_INDEX_URL": f"sqlite://{folder}/index.db",
            "STEPWELL_GATEWAY_GITHUB_SECRETS": SECRET,
            "STEPWELL_GATEWAY_PORT": str(gateway_port),
            "STEPWELL_METRICS_PORT": str(worker_port),
            "STEPWELL_WORKER_STORE": "memory",
        }
        settings = load_settings(flags={}, environ=environ, directory=folder)
        stop = asyncio.Event()
        gateway = f"http://127.0.0.1:{gateway_port}"
        worker = f"http://127.0.0.1:{worker_port}"
        async with aiohttp.ClientSession() as client, asyncio.TaskGroup() as parts:
            parts.create_task(run_gateway(settings, stop))
            parts.create_task(run_worker(settings, stop))
            try:
                running = Running(client, gateway, worker)
                await running.until_ready()
                yield running
            finally:
                stop.set()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """A worker and a gateway that have made one webhook searchable."""
    async with asyncio.timeout(60), serving(tmp_path) as running:
        await running.post("72d3162e-cc78-11e3-81ab-4c9367dc0958")
        await running.until(running.worker, 'upsert_objects_total{outcome="stored"} 1.0')
        yield running
