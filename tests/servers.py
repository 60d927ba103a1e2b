"""Real servers for tests, started once per session by `scripts/kafka` and `scripts/weaviate`.

A server that cannot start skips the tests that need it, and fails them when the environment says
`STEPWELL_TEST_REQUIRE=all` (as `scripts/test --all` does).
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import pytest

from tests.broker_process import broker_process

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


@dataclass(frozen=True, slots=True)
class WeaviateServer:
    """A running Weaviate. `name` and `pid` are for tests that stop a server of their own."""

    http_host: str
    http_port: int
    grpc_port: int
    name: str
    pid: int

    @property
    def url(self) -> str:
        """As `open_index` takes it."""
        return f"weaviate://{self.http_host}:{self.http_port}?grpc_port={self.grpc_port}"


@contextmanager
def running(kind: str) -> Iterator[dict[str, Any]]:
    """A fresh server of its own; yields what `scripts/<kind> start --json` says."""
    name = f"test-{os.getpid()}-{secrets.token_hex(3)}"
    try:
        yield start(kind, name)
    finally:
        _run(kind, "stop", "--name", name, "--purge")


def start(kind: str, name: str) -> dict[str, Any]:
    """Start a server by name, or start it again: it keeps its data and its ports."""
    done = _run(kind, "start", "--name", name, "--json")
    if done.returncode != 0:
        _missing(f"scripts/{kind} could not start a server: {done.stderr.strip()}")
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def _missing(reason: str) -> NoReturn:
    if os.environ.get("STEPWELL_TEST_REQUIRE") == "all":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def restart(kind: str, name: str) -> dict[str, Any]:
    """Start a server that was killed, once it is quite dead."""
    _run(kind, "stop", "--name", name)
    return start(kind, name)


def _run(kind: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPTS / kind, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@contextmanager
def running_weaviate() -> Iterator[WeaviateServer]:
    """A Weaviate of one's own, to be killed, frozen or filled at will."""
    with running("weaviate") as facts:
        url = urlsplit(facts["url"])
        assert url.hostname
        assert url.port
        grpc_port, name, pid = facts["grpc_port"], facts["name"], facts["pid"]
        yield WeaviateServer(url.hostname, url.port, grpc_port, name, pid)


class Promtool:
    """Prometheus's promtool, by `scripts/promtool`, which builds it the first time."""

    def __call__(self, *arguments: str | Path) -> None:
        """Run it; what it finds fails the test."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """How it ended."""
        return _run("promtool", *map(str, arguments))


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    """Skips where it cannot be built, unless the environment says that it must."""
    program = Promtool()
    done = program.run("--version")
    if done.returncode != 0:
        _missing(f"scripts/promtool: {done.stderr.strip()}")
    return program


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """The address of a fresh Apache Kafka, shared by the session: make topics of your own."""
    with running("kafka") as facts:
        yield facts["address"]


@pytest.fixture(scope="session")
def embedded_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a fresh embedded broker, shared by the session: make topics of your own."""
    with broker_process(tmp_path_factory.mktemp("broker")) as broker:
        yield broker.address
        assert broker.stop() == 0, broker.log()[-4000:]


@pytest.fixture(scope="session")
def weaviate_server() -> Iterator[WeaviateServer]:
    """A fresh Weaviate, shared by the session: make collections of your own."""
    with running_weaviate() as server:
        yield server
