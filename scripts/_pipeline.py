"""A whole Stepwell as processes, and webhooks to it: what the benchmarks of the pipeline share."""

import asyncio
import hmac
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from _bench import fresh_name, server
from aiokafka import AIOKafkaConsumer

from stepwell.schemas import codec
from stepwell.schemas.journal import InstanceCompleted, InstanceKey

STEPWELL = Path(sys.executable).with_name("stepwell")
TEXTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "issues-short.jsonl"
SECRET = secrets.token_hex(20)
GATEWAY, WORKER = "http://127.0.0.1:8490", "http://127.0.0.1:8491"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Completions:
    """When each instance completed, as the journal tells it, and when the first was created."""

    def __init__(self) -> None:
        self.at_s: dict[str, float] = {}
        self.begun = asyncio.Event()
        self._waiters: dict[str, asyncio.Future[None]] = {}

    async def follow(self, consumer: AIOKafkaConsumer) -> None:
        """Read the journal until cancelled."""
        async for record in consumer:
            self.begun.set()
            if b'"InstanceCompleted"' not in record.value:
                continue
            assert isinstance(codec.decode(record.value), InstanceCompleted)
            instance = InstanceKey.decode(record.key).instance
            self.at_s[instance] = time.perf_counter()
            if waiter := self._waiters.pop(instance, None):
                waiter.set_result(None)

    async def of(self, instance: str) -> float:
        """When it completed; waits for that."""
        if instance not in self.at_s:
            waiter = self._waiters[instance] = asyncio.get_running_loop().create_future()
            await waiter
        return self.at_s[instance]


async def post(client: aiohttp.ClientSession, url: str, number: int, item: dict[str, Any]) -> str:
    """Post one item as GitHub would; the id of its instance."""
    delivery = str(uuid.uuid4())
    issue = {
        "number": number,
        "title": item["title"],
        "body": item["body"],
        "state": "open",
        "html_url": "https://github.com/acme/site/issues/1",
        "updated_at": "2026-11-01T00:00:00Z",
        "labels": [],
    }
    payload = {"action": "opened", "repository": {"full_name": "acme/site"}, "issue": issue}
    body = json.dumps(payload).encode()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={hmac.digest(SECRET.encode(), body, 'sha256').hex()}",
    }
    async with client.post(f"{url}/webhooks/github", data=body, headers=headers) as answer:
        answer.raise_for_status()
    return delivery


@dataclass
class Stack:
    """The processes of one round."""

    environ: dict[str, str]
    servers: dict[str, list[int]]
    """Process ids of broker and index, by name."""
    url: str = GATEWAY
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @asynccontextmanager
    async def part(self, name: str, ready: str) -> AsyncIterator[None]:
        """`stepwell <name>`, ready; stopped at the end."""
        process = subprocess.Popen([STEPWELL, name], env=self.environ)  # noqa: ASYNC220
        self.running[name] = process
        try:
            await until_ready(f"{ready}/readyz")
            yield
        finally:
            del self.running[name]
            process.terminate()
            process.wait(timeout=60)

    def worker(self) -> AbstractAsyncContextManager[None]:
        """A worker."""
        return self.part("worker", WORKER)

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds of each process until now; of the worker, the model apart."""
        found = {name: sum(map(_cpu_s, pids)) for name, pids in self.servers.items()}
        found["gateway"] = _cpu_s(self.running["gateway"].pid)
        threads = _threads(self.running["worker"].pid)
        found["model"] = sum(spent_s for nice, spent_s in threads if nice)
        found["worker"] = sum(spent_s for nice, spent_s in threads if not nice)
        return found


def _cpu_s(pid: int) -> float:
    return sum(spent_s for _, spent_s in _threads(pid))


def _threads(pid: int) -> list[tuple[int, float]]:
    """Niceness and processor seconds of each thread; only those that embed give way."""
    found = []
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        fields = stat.read_text().rpartition(")")[2].split()
        found.append((int(fields[16]), (int(fields[11]) + int(fields[12])) / TICKS_PER_S))
    return found


def settings_of(kafka: str, index_url: str, folder: Path) -> dict[str, str]:
    """Fresh topics and a fresh collection."""
    name = fresh_name()
    return {
        "PATH": "",
        "HOME": str(Path.home()),
        "STEPWELL_KAFKA_BOOTSTRAP": kafka,
        "STEPWELL_KAFKA_PREFIX": name,
        "STEPWELL_KAFKA_APP_ID": f"{name}-worker",
        "STEPWELL_KAFKA_PARTITIONS": "4",
        "STEPWELL_INDEX_URL": index_url.format(folder=folder),
        "STEPWELL_INDEX_COLLECTION": name.capitalize(),
        "STEPWELL_GATEWAY_GITHUB_SECRETS": SECRET,
        "STEPWELL_GATEWAY_PORT": GATEWAY.rpartition(":")[2],
        "STEPWELL_METRICS_PORT": WORKER.rpartition(":")[2],
        "STEPWELL_WORKER_DATA_DIR": str(folder / name),
        "STEPWELL_BLOBS_DIR": str(folder / "blobs"),
        "STEPWELL_READMODEL_DIR": str(folder / "readmodel"),
        "STEPWELL_LOG_LEVEL": "warning",
    }


async def until_ready(url: str) -> None:
    """Wait for a readiness probe."""
    async with aiohttp.ClientSession() as client, asyncio.timeout(60):
        while True:
            try:
                async with client.get(url) as answer:
                    if answer.ok:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


@asynccontextmanager
async def following(kafka: str, journal: str) -> AsyncIterator[Completions]:
    """What completes meanwhile."""
    consumer = AIOKafkaConsumer(journal, bootstrap_servers=kafka, auto_offset_reset="latest")
    await consumer.start()
    await consumer.seek_to_end()
    done = Completions()
    task = asyncio.create_task(done.follow(consumer))
    try:
        yield done
    finally:
        task.cancel()
        await consumer.stop()


@contextmanager
def real_servers() -> Iterator[tuple[str, str, dict[str, list[int]]]]:
    """Apache Kafka and Weaviate: the broker's address, the index's URL, process ids."""
    with server("kafka") as kafka, server("weaviate") as weaviate:
        host = weaviate["url"].removeprefix("http://")
        url = f"weaviate://{host}?grpc_port={weaviate['grpc_port']}"
        yield kafka["address"], url, {"broker": [kafka["pid"]], "index": [weaviate["pid"]]}


@contextmanager
def embedded_servers() -> Iterator[tuple[str, str, dict[str, list[int]]]]:
    """Our broker as a process, and a SQLite file in the worker."""
    with tempfile.TemporaryDirectory() as folder:
        command = [STEPWELL, "broker", "--data-dir", folder, "--port", "8492"]
        broker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until_listening(8492)
            yield "127.0.0.1:8492", "sqlite://{folder}/index.db", {"broker": [broker.pid]}
        finally:
            broker.terminate()
            broker.wait(timeout=60)


def until_listening(port: int) -> None:
    """Wait for a port."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
