"""`stepwell dev`: one command, no servers; what dies is restarted, what was stored is kept."""

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from stepwell.schemas.documents import SearchFilters
from stepwell.streams.operator.queries import search
from tests.e2e import deployment as deployments
from tests.e2e.deployment import STEPWELL, Deployment
from tests.e2e.test_kill import webhook

pytestmark = pytest.mark.model


class Dev:
    """A running `stepwell dev` and what it has said."""

    def __init__(self, data: Path) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("STEPWELL_")}
        if cache := os.environ.get("STEPWELL_CACHE"):
            environ["STEPWELL_CACHE"] = cache
        self.data = data
        self.process = subprocess.Popen(
            [STEPWELL, "dev", "--data", data, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            text=True,
        )
        self.facts = self.until(lambda line: line.get("ready"))

    def until(self, wanted: Any) -> dict[str, Any]:
        """Read along until a line that is wanted."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            facts: dict[str, Any] = json.loads(line)
            if wanted(facts):
                return facts
        assert self.process.stderr is not None
        raise AssertionError(f"stepwell dev ended: {self.process.stderr.read()}")

    def deployment(self, monkeypatch: pytest.MonkeyPatch) -> Deployment:
        """Its settings and its gateway, as the other tests use them."""
        secret = Path(self.facts["secret_file"]).read_text()
        monkeypatch.setattr(deployments, "SECRET", secret)
        environ = {
            "STEPWELL_KAFKA_BOOTSTRAP": self.facts["bootstrap"],
            "STEPWELL_INDEX_URL": self.facts["index"],
            "STEPWELL_GATEWAY_PORT": self.facts["gateway"].rpartition(":")[2],
        }
        return Deployment(self.data, environ)

    def pid_of(self, part: str) -> int:
        """The process of a part."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in children.read_text().split():
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if part.encode() in command:
                return int(pid)
        raise AssertionError(f"{part} does not run")


@contextmanager
def running(data: Path) -> Iterator[Dev]:
    dev = Dev(data)
    try:
        yield dev
        dev.process.send_signal(signal.SIGTERM)
        assert dev.process.wait(timeout=60) == 0
    finally:
        dev.process.kill()


async def post(deployment: Deployment, number: int) -> str:
    async with aiohttp.ClientSession() as client:
        delivery, payload = str(uuid.uuid4()), webhook(number, Random(number))
        status, answer = await deployment.post(client, "issues", delivery, payload)
        assert status == 202, answer
        await deployment.until(
            lambda ledger: delivery in {s.instance_id for s in ledger.summaries(status="complete")}
        )
    title: str = payload["issue"]["title"]
    return title


async def found(deployment: Deployment, title: str) -> bool:
    hits = await search(deployment.settings, title, SearchFilters(), 10)
    return title in {hit.document.title for hit in hits}


async def test_one_command_takes_a_webhook_to_a_search_hit_and_goes_on_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "data") as dev:
        deployment = dev.deployment(monkeypatch)
        first = await post(deployment, 1)
        assert await found(deployment, first)
        address = dev.facts["bootstrap"]
    with running(tmp_path / "data") as dev:
        assert dev.facts["bootstrap"] == address
        deployment = dev.deployment(monkeypatch)
        assert len((await deployment.ledger()).summaries()) == 1
        second = await post(deployment, 2)
        assert await found(deployment, first)
        assert await found(deployment, second)


def test_nothing_goes_on_when_its_terminal_is_closed(tmp_path: Path) -> None:
    dev = Dev(tmp_path / "data")
    parts = [dev.pid_of(part) for part in ("broker", "worker", "gateway")]
    for stream in (dev.process.stdout, dev.process.stderr):
        assert stream is not None
        stream.close()
    dev.process.send_signal(signal.SIGHUP)
    assert dev.process.wait(timeout=60) == 0
    assert [pid for pid in parts if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.parametrize("part", ["broker", "worker", "gateway"])
async def test_a_part_that_is_killed_comes_back_and_the_work_goes_on(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "data") as dev:
        deployment = dev.deployment(monkeypatch)
        first = await post(deployment, 1)
        os.kill(dev.pid_of(part), signal.SIGKILL)
        dev.until(lambda line: line.get("part") == part and line["status"] == "ready again")
        second = await post(deployment, 2)
        assert await found(deployment, first)
        assert await found(deployment, second)
