"""A whole Stepwell of its own on real servers: gateway and workers as processes."""

import asyncio
import hashlib
import hmac
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from stepwell.streams.gateway.ledger import Ledger
from stepwell.streams.operator.queries import read_ledger
from stepwell.streams.settings import Settings
from stepwell.streams.settings_load import load_settings

SECRET = secrets.token_hex(20)
STEPWELL = Path(sys.executable).with_name("stepwell")
POLL_S = 0.1


@dataclass
class Deployment:
    """Settings of one deployment and the processes that run under them."""

    folder: Path
    environ: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    starts: int = 0

    @classmethod
    def create(
        cls, folder: Path, bootstrap: str, index_url: str = "", **settings: str
    ) -> "Deployment":
        """A deployment with topics and a collection of its own."""
        name = f"t{secrets.token_hex(4)}"
        environ = {
            "STEPWELL_KAFKA_BOOTSTRAP": bootstrap,
            "STEPWELL_KAFKA_PREFIX": name,
            "STEPWELL_KAFKA_APP_ID": f"{name}-worker",
            "STEPWELL_KAFKA_PARTITIONS": "4",
            "STEPWELL_GATEWAY_GITHUB_SECRETS": SECRET,
            "STEPWELL_GATEWAY_PORT": str(free_port()),
            "STEPWELL_WORKER_STORE": "memory",
            "STEPWELL_WORKER_SESSION_TIMEOUT_MS": "2000",
            "STEPWELL_INDEX_COLLECTION": name.capitalize(),
            "STEPWELL_LOG_FORMAT": "json",
            "STEPWELL_READMODEL_DIR": str(folder / "readmodel"),
        }
        if index_url:
            environ["STEPWELL_INDEX_URL"] = index_url
        return cls(folder, environ | settings)

    @property
    def settings(self) -> Settings:
        return load_settings(flags={}, environ=self.environ, directory=self.folder)

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.environ['STEPWELL_GATEWAY_PORT']}"

    def log(self, name: str) -> str:
        """What a process has said."""
        return (self.folder / f"{name}.log").read_text()

    async def start_gateway(self) -> None:
        self._start("gateway", "gateway", {})
        await until_http(f"{self.gateway_url}/readyz", lambda: self._alive("gateway"))

    async def start_worker(self, name: str = "worker", *, wait: bool = True) -> None:
        """Start a worker under a name; it keeps its data folder and its metrics port."""
        port = self.environ.setdefault(f"PORT_{name}", str(free_port()))
        own = {
            "STEPWELL_METRICS_PORT": port,
            "STEPWELL_WORKER_DATA_DIR": str(self.folder / f"{name}-data"),
        }
        self._start(name, "worker", own)
        if wait:
            await self.until_ready(name)

    async def until_ready(self, name: str = "worker") -> None:
        port = self.environ[f"PORT_{name}"]
        await until_http(f"http://127.0.0.1:{port}/readyz", lambda: self._alive(name))

    def kill(self, name: str = "worker") -> None:
        """SIGKILL: no chance to finish anything."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> int:
        """SIGTERM, as an operator stops a process; its exit status."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=30)

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)

    def _start(self, name: str, part: str, own: dict[str, str]) -> None:
        assert name not in self.processes
        ours = {k: v for k, v in self.environ.items() if k.startswith("STEPWELL_")}
        environ = {k: v for k, v in os.environ.items() if not k.startswith("STEPWELL_")}
        if cache := os.environ.get("STEPWELL_CACHE"):
            environ["STEPWELL_CACHE"] = cache
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [STEPWELL, part], env=environ | ours | own, stdout=log, stderr=log
            )
        self.starts += 1

    def _alive(self, name: str) -> None:
        status = self.processes[name].poll()
        assert status is None, f"{name} ended with {status}:\n{self.log(name)[-4000:]}"

    # -- the outside world

    async def post(
        self,
        client: aiohttp.ClientSession,
        event: str,
        delivery: str,
        payload: dict[str, Any],
    ) -> tuple[int, dict[str, Any]]:
        """Post a webhook as GitHub does; status and answer."""
        body = orjson.dumps(payload)
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": "sha256="
            + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
        }
        url = f"{self.gateway_url}/webhooks/github"
        async with client.post(url, data=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def ledger(self) -> Ledger:
        """The journal, folded now."""
        return await read_ledger(self.settings)

    async def until(self, what: Callable[[Ledger], bool], timeout_s: float = 120) -> Ledger:
        """Wait until the journal says so."""
        ledger = await self.ledger()
        try:
            async with asyncio.timeout(timeout_s):
                while not what(ledger):
                    for name in self.processes:
                        self._alive(name)
                    await asyncio.sleep(POLL_S)
                    ledger = await self.ledger()
        except TimeoutError:
            open_ones = [it for it in ledger.summaries() if it.status != "complete"]
            logs = {name: self.log(name)[-3000:] for name in self.processes}
            raise AssertionError(f"after {timeout_s} s: {open_ones[:20]}\n{logs}") from None
        return ledger


async def until_http(url: str, check: Callable[[], None], timeout_s: float = 60) -> None:
    """Wait until a URL answers 200; `check` raises when waiting has become pointless."""
    async with aiohttp.ClientSession() as client, asyncio.timeout(timeout_s):
        while True:
            check()
            try:
                async with client.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(POLL_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
