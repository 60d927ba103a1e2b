"""What `stepwell dev` runs, and where: the parts, their ports, their places in the data folder."""

import asyncio
import json
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp

from stepwell.streams.dev.supervisor import Part
from stepwell.streams.settings import Settings

HOST = "127.0.0.1"
PREFERRED = {"broker": 9092, "gateway": 8400, "worker": 8401}
STATE = "dev.json"

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts in the order of their start, and what a user wants to know of the whole."""

    parts: tuple[Part, ...]
    bootstrap: str
    index_url: str
    gateway_url: str
    secret_file: Path


def plan(settings: Settings, data: Path, options: Sequence[str]) -> Plan:
    """What to run for these settings: what they name explicitly is used, the rest is embedded.

    `options` are handed on to every part. Ports and the webhook secret are kept in the folder, so
    that the addresses stay the same from run to run.
    """
    data.mkdir(parents=True, exist_ok=True)
    ports = _ports(data / STATE)
    embedded_broker = settings.origin("kafka.bootstrap") == "default"
    embedded_index = settings.origin("index.url") == "default"
    bootstrap = f"{HOST}:{ports['broker']}" if embedded_broker else settings.kafka.bootstrap
    index_file = "sqlite://" + quote(str(data / "index.db"))
    index_url = index_file if embedded_index else settings.index.url
    secret_file = _secret_file(settings, data)
    environ = {
        "STEPWELL_KAFKA_BOOTSTRAP": bootstrap,
        "STEPWELL_INDEX_URL": index_url,
        "STEPWELL_GATEWAY_PORT": str(ports["gateway"]),
        "STEPWELL_METRICS_PORT": str(ports["worker"]),
        "STEPWELL_WORKER_DATA_DIR": str(data / "worker"),
        "STEPWELL_READMODEL_DIR": str(data / "readmodel"),
    }
    if not settings.gateway.github_secrets:
        environ["STEPWELL_GATEWAY_GITHUB_SECRETS_FILE"] = str(secret_file)

    def part(name: str, arguments: Sequence[str], ready: Probe, address: str) -> Part:
        command = [sys.executable, "-m", "stepwell.streams.cli", *arguments, *options]
        return Part(name, command, environ, ready, address)

    gateway_url = f"http://{HOST}:{ports['gateway']}"
    worker_url = f"http://{HOST}:{ports['worker']}"
    parts = [
        part("worker", ["worker"], answers(f"{worker_url}/readyz"), f"{worker_url}/metrics"),
        part("gateway", ["gateway"], answers(f"{gateway_url}/readyz"), gateway_url),
    ]
    if embedded_broker:
        arguments = ["broker", "--data-dir", str(data / "broker"), "--port", str(ports["broker"])]
        parts.insert(0, part("broker", arguments, _listens(HOST, ports["broker"]), bootstrap))
    return Plan(tuple(parts), bootstrap, index_url, gateway_url, secret_file)


def answers(url: str) -> Probe:
    """Whether something answers there, and says that it is well."""

    async def probe() -> bool:
        try:
            async with aiohttp.ClientSession() as client, client.get(url) as answer:
                return answer.ok
        except aiohttp.ClientError:
            return False

    return probe


def _listens(host: str, port: int) -> Probe:
    async def probe() -> bool:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            return False
        writer.close()
        return True

    return probe


def _ports(state: Path) -> dict[str, int]:
    known: dict[str, int] = json.loads(state.read_text()) if state.exists() else {}
    ports = {name: _free(known.get(name, wanted)) for name, wanted in PREFERRED.items()}
    if ports != known:
        state.write_text(json.dumps(ports))
    return ports


def _free(wanted: int) -> int:
    """The wanted port, or any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("the kernel always has a port")


def _secret_file(settings: Settings, data: Path) -> Path:
    file = data / "webhook-secret"
    if not file.exists() and not settings.gateway.github_secrets:
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32))
    return file
