"""A re-index whose worker, gateway, broker and index are killed: every document ends once."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
import pytest

from stepwell.streams.collections import open_targets
from stepwell.streams.gateway.ledger import Ledger
from stepwell.streams.operator.reindexing import view_of
from stepwell.streams.views import ReindexView
from tests.broker_process import broker_process
from tests.e2e.deployment import Deployment
from tests.servers import restart, running, running_weaviate

pytestmark = [pytest.mark.model, pytest.mark.slow]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
WORDS = ("login", "page", "slow", "loses", "what", "was", "typed", "when", "session", "ends") * 2
OTHER = "a field that no document has makes a line long, and a batch short" * 30
AWAY_S = 1.0
"""So long a killed server stays away."""
TIMEOUT_S = 900


@dataclass(frozen=True)
class Input:
    """A file, and how its lines should end."""

    content: bytes
    stored: int
    failed: int = 0
    skipped: int = 0


def made_up() -> Input:
    """Lines for those who have no other data: good ones, bad ones, one without text."""
    made = [
        {"id": f"made-{n}", "title": f"Page {n}", "body": " ".join(WORDS[: n % 14]), "other": OTHER}
        for n in range(1500)
    ]
    lines = [orjson.dumps(each) for each in made]
    lines[100], lines[1200] = b"no JSON", b'{"title": "nameless"}'
    lines[1000] = b'{"id": "empty", "body": " "}'
    return Input(b"\n".join(lines), stored=1497, failed=2, skipped=1)


def of_file(name: str) -> Input:
    if not (path := DATA / name).exists():
        pytest.skip(f"{name} is not here")
    content = path.read_bytes()
    return Input(content, stored=content.count(b"\n"))


@pytest.fixture(params=["made up", "issues-short.jsonl", "docs-long.jsonl"])
def documents(request: pytest.FixtureRequest) -> Input:
    return made_up() if request.param == "made up" else of_file(request.param)


Kill = Callable[[], Awaitable[None]]


class Run:
    """One re-index: started over HTTP, watched in the journal."""

    def __init__(self, deployment: Deployment, documents: Input) -> None:
        self.deployment = deployment
        self.documents = documents

    async def start(self) -> None:
        """A second start under the same id, as somebody does who got no answer, changes nothing."""
        url = f"{self.deployment.gateway_url}/api/v1/reindexes?id=all"
        headers = {"Content-Type": "application/jsonl"}
        for status in (201, 200):
            async with (
                aiohttp.ClientSession() as client,
                client.post(url, data=self.documents.content, headers=headers) as answer,
            ):
                assert answer.status == status, await answer.text()

    async def until(self, done: Callable[[ReindexView], bool]) -> ReindexView:
        ledger = await self.deployment.until(lambda ledger: done(view_in(ledger)), TIMEOUT_S)
        return view_in(ledger)

    async def kill_on_the_way(self, kills: list[Kill]) -> ReindexView:
        """Each kill after some more documents; then to the end."""
        lines = self.documents.content.count(b"\n") + 1
        for number, kill in enumerate(kills, 1):
            wanted = lines * number // (len(kills) + 2)
            view = await self.until(reached(wanted))
            assert view.status != "complete", "it was over before it could be killed"
            await kill()
        return await self.until(lambda view: view.status == "complete")

    async def check(self, view: ReindexView) -> None:
        wanted = self.documents
        assert (view.stored, view.failed, view.skipped, view.stale) == (
            wanted.stored,
            wanted.failed,
            wanted.skipped,
            0,
        )
        async with open_targets(self.deployment.settings) as targets:
            assert await (await targets.find()).index.count() == wanted.stored

    async def kill_worker(self) -> None:
        self.deployment.kill("worker")
        await self.deployment.start_worker()

    async def kill_gateway(self) -> None:
        self.deployment.kill("gateway")
        await self.deployment.start_gateway()


def reached(documents: int) -> Callable[[ReindexView], bool]:
    return lambda view: view.done >= documents


def view_in(ledger: Ledger) -> ReindexView:
    (details,) = ledger.details("reindex", "all")
    view = view_of(details)
    assert view.status in ("queued", "running", "waiting", "complete"), view
    return view


def settings(folder: Path) -> dict[str, str]:
    return {"STEPWELL_BLOBS_DIR": str(folder / "blobs")}


@contextmanager
def killed_at_the_end(deployment: Deployment) -> Iterator[Deployment]:
    try:
        yield deployment
    finally:
        deployment.close()


async def test_on_the_embedded_stack(tmp_path: Path, documents: Input) -> None:
    index = f"sqlite://{tmp_path}/index.db"
    with (
        broker_process(tmp_path / "broker") as broker,
        killed_at_the_end(
            Deployment.create(tmp_path, broker.address, index, **settings(tmp_path))
        ) as deployment,
    ):

        async def kill_broker() -> None:
            broker.kill()
            await asyncio.sleep(AWAY_S)
            broker.start()

        run = Run(deployment, documents)
        await deployment.start_gateway()
        await deployment.start_worker()
        await run.start()
        await run.check(
            await run.kill_on_the_way(
                [
                    run.kill_worker,
                    run.kill_gateway,
                    kill_broker,
                    run.kill_worker,  # and with it the index, which is in this process
                    kill_broker,
                ]
            )
        )


@pytest.mark.kafka
@pytest.mark.weaviate
async def test_on_kafka_and_weaviate(tmp_path: Path, documents: Input) -> None:
    with (
        running("kafka") as kafka,
        running_weaviate() as weaviate,
        killed_at_the_end(
            Deployment.create(tmp_path, kafka["address"], weaviate.url, **settings(tmp_path))
        ) as deployment,
    ):

        async def kill_kafka() -> None:
            os.kill(kafka["pid"], signal.SIGKILL)
            await asyncio.sleep(AWAY_S)
            kafka.update(await asyncio.to_thread(restart, "kafka", kafka["name"]))

        async def kill_weaviate() -> None:
            os.kill(weaviate.pid, signal.SIGKILL)
            await asyncio.sleep(AWAY_S)
            await asyncio.to_thread(restart, "weaviate", weaviate.name)

        run = Run(deployment, documents)
        await deployment.start_gateway()
        await deployment.start_worker()
        await run.start()
        await run.check(
            await run.kill_on_the_way(
                [run.kill_worker, run.kill_gateway, kill_kafka, kill_weaviate, run.kill_worker]
            )
        )
