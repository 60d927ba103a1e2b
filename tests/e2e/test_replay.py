"""Replays on real workers: rebuild, verify, resume; killed, and beside live events."""

import json
import os
import signal
import sqlite3
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from stepwell.schemas.cloudevents import encode
from stepwell.schemas.events import CloudEvent
from stepwell.streams.engine.triggers import event_instance_id
from stepwell.streams.kafka.admin import ensure_topics
from stepwell.streams.wiring import topics_of
from tests.broker_process import BrokerProcess
from tests.e2e.deployment import STEPWELL, Deployment
from tests.kafka.broker import Broker
from tests.servers import WeaviateServer

pytestmark = pytest.mark.slow

PAGES, VERSIONS = 200, 5


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def bootstrap(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "kafka":
        yield request.getfixturevalue("kafka_bootstrap")
        return
    broker = BrokerProcess.create(tmp_path / "broker")
    broker.start()
    yield broker.address
    broker.kill()


async def publish(deployment: Deployment, events: list[CloudEvent]) -> None:
    kafka = deployment.settings.kafka
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        for event in events:
            key, value, headers = encode(event)
            await producer.send(topics_of(kafka).events, value, key, headers=headers)
        await producer.flush()


def page(number: int, version: int) -> CloudEvent:
    document = {
        "key": f"page-{number}",
        "type": "page",
        "repo": "acme/site",
        "number": number,
        "title": f"Page {number}",
        "body": f"Version {version}",
        "state": "open",
        "url": f"https://example.org/{number}",
        "updated_at": f"2026-01-01T00:00:{version:02}Z",
    }
    return CloudEvent(
        f"page-{number}-{version}", "test", "test.page.changed", f"page-{number}", document
    )


def pages() -> list[CloudEvent]:
    return [page(number, version) for version in range(VERSIONS) for number in range(PAGES)]


def order(number: int, **data: Any) -> CloudEvent:
    made = {"amount": number, **data}
    return CloudEvent(f"order-{number}", "test", "test.order.made", f"order-{number}", made)


def set_broken(*, yes: bool) -> None:
    """Whether the steps that may fail do."""
    if yes:
        Path("broken").touch()
    else:
        Path("broken").unlink()


class SqliteFile:
    """An index in a file: what it holds, byte by byte, and how to lose it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "index.db"
        self.url = f"sqlite://{self._path}"

    def dump(self, _collection: str) -> Sequence[Any]:
        with sqlite3.connect(self._path) as database:
            found = database.execute(
                "SELECT key, type, repo, number, title, body, state, url, updated_at, labels,"
                " model, vector FROM documents JOIN vectors USING (id) ORDER BY key"
            )
            return found.fetchall()

    def wipe(self, _collection: str) -> None:
        for file in self._path.parent.glob("index.db*"):
            file.unlink()


class WeaviateCollection:
    """The same, of a server."""

    def __init__(self, server: WeaviateServer) -> None:
        self.url = server.url
        self._rest = f"http://{server.http_host}:{server.http_port}/v1"

    def dump(self, collection: str) -> Sequence[Any]:
        query = f"class={collection}&include=vector&limit=1000"
        with urllib.request.urlopen(f"{self._rest}/objects?{query}") as answer:
            found = json.loads(answer.read())["objects"]
        # Beside the vector lies one that marks each write, and means nothing.
        return sorted((it["id"], it["properties"], it["vectors"]["default"]) for it in found)

    def wipe(self, collection: str) -> None:
        request = urllib.request.Request(f"{self._rest}/schema/{collection}", method="DELETE")
        urllib.request.urlopen(request).close()


@pytest.fixture
def index(request: pytest.FixtureRequest, tmp_path: Path) -> SqliteFile | WeaviateCollection:
    if getattr(request, "param", "sqlite") == "weaviate":
        return WeaviateCollection(request.getfixturevalue("weaviate_server"))
    return SqliteFile(tmp_path)


@pytest.fixture
async def deployment(
    bootstrap: str,
    index: SqliteFile | WeaviateCollection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Deployment]:
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.chdir(tmp_path)  # where the file `broken` is looked for
    deployment = Deployment.create(
        tmp_path,
        bootstrap,
        index.url,
        STEPWELL_WORKER_WORKFLOWS="tests.e2e.replayed:workflows",
        STEPWELL_WORKER_DATA_DIR=str(tmp_path / "data"),
    )
    try:
        await ensure_topics(bootstrap, topics_of(deployment.settings.kafka).facts(), 1)
        await deployment.start_worker()
        yield deployment
    finally:
        deployment.close()


def replay(deployment: Deployment, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
    ours = {k: v for k, v in deployment.environ.items() if k.startswith("STEPWELL_")}
    return subprocess.Popen(
        [STEPWELL, "replay", *arguments, "--json"],
        env=os.environ | ours | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def replayed(deployment: Deployment, *arguments: str, exits: int = 0, **environ: str) -> Any:
    process = replay(deployment, *arguments, **environ)
    out, err = process.communicate(timeout=240)
    assert process.returncode == exits, (err.decode(), out[-4000:])
    return json.loads(out)


async def until_complete(deployment: Deployment, workflow: str, count: int) -> None:
    await deployment.until(
        lambda ledger: len(ledger.summaries(workflow=workflow, status="complete")) == count
    )


async def committed_events(deployment: Deployment) -> Mapping[int, int]:
    kafka = deployment.settings.kafka
    broker = Broker(kafka.bootstrap)
    try:
        return await broker.committed(kafka.app_id, topics_of(kafka).events)
    finally:
        await broker.close()


@pytest.mark.parametrize(
    "index", ["sqlite", pytest.param("weaviate", marks=pytest.mark.weaviate)], indirect=True
)
async def test_a_wiped_index_is_rebuilt_and_a_thousand_instances_verified(
    deployment: Deployment, index: SqliteFile | WeaviateCollection
) -> None:
    collection = deployment.settings.index.collection
    await publish(deployment, pages())
    await until_complete(deployment, "embed-page", PAGES * VERSIONS)
    before = index.dump(collection)
    assert len(before) == PAGES

    verified = replayed(deployment, "--to-earliest", "--mode", "verify", "--execute")
    assert verified["done"] == PAGES * VERSIONS
    assert verified["findings"] == []
    assert {json.dumps(n) for n in verified["counts"].values()} == {'{"same": 1000}'}
    changed = replayed(
        deployment,
        *("--to-earliest", "--mode", "verify", "--execute"),
        exits=1,
        STEPWELL_WORKER_WORKFLOWS="tests.e2e.replayed:changed",
    )
    assert {(it["step"], it["verdict"]) for it in changed["findings"]} == {("embed", "changed")}
    assert len(changed["findings"]) == PAGES * VERSIONS
    assert index.dump(collection) == before

    deployment.stop("worker")
    index.wipe(collection)
    await deployment.start_worker()
    where = await committed_events(deployment)
    result = replayed(deployment, "--to-earliest", "--execute", "--yes", "--wait")
    assert result["done"] == PAGES * VERSIONS
    assert result["outcomes"] == {"complete": PAGES * VERSIONS}
    assert index.dump(collection) == before
    assert await committed_events(deployment) == where
    ledger = await deployment.ledger()
    assert len(ledger.summaries(status="complete")) == 2 * PAGES * VERSIONS


async def test_a_replay_that_is_killed_goes_on_beside_live_events(deployment: Deployment) -> None:
    await publish(deployment, [page(number, 0) for number in range(300)])
    await until_complete(deployment, "embed-page", 300)
    first = replay(deployment, "--to-earliest", "--execute", "--yes", "--rate", "100")
    tickets = deployment.folder / "data" / "replays"
    await deployment.until(lambda _: tickets.exists())  # from here on its end is frozen
    await publish(deployment, [page(number, 1) for number in range(20)])
    await deployment.until(lambda ledger: len(ledger.summaries()) > 400)
    first.send_signal(signal.SIGKILL)
    _, said = first.communicate()
    assert not said.startswith(b"Error"), said
    (ticket,) = tickets.glob("*.json")
    result = replayed(deployment, "--resume", ticket.stem, "--yes", "--wait")
    assert result["done"] + result["already_done"] == 300
    assert result["already_done"] > 50
    await until_complete(deployment, "embed-page", 620)
    ledger = await deployment.ledger()
    assert len(ledger.summaries()) == 620
    again = replayed(deployment, "--resume", ticket.stem, "--yes", "--wait")
    assert (again["done"], again["already_done"]) == (0, 300)
    assert len((await deployment.ledger()).summaries()) == 620


async def test_ctrl_c_says_what_was_done_and_how_to_go_on(deployment: Deployment) -> None:
    await publish(deployment, [page(number, 0) for number in range(100)])
    await until_complete(deployment, "embed-page", 100)
    going = replay(deployment, "--to-earliest", "--execute", "--yes", "--rate", "20")
    await deployment.until(lambda ledger: len(ledger.summaries()) > 110)
    going.send_signal(signal.SIGINT)
    out, said = going.communicate()
    assert (going.returncode, out) == (130, b"")
    assert b" of 100 instances were started" in said
    *_, command = said.decode().split("Go on: stepwell replay ")
    result = replayed(deployment, *command.split(), "--yes", "--wait")
    assert result["done"] + result["already_done"] == 100
    assert len((await deployment.ledger()).summaries(status="complete")) == 200


async def test_failed_instances_go_on_from_the_failed_step(deployment: Deployment) -> None:
    set_broken(yes=True)
    await publish(deployment, [order(number) for number in range(5)])
    await deployment.until(lambda ledger: len(ledger.summaries(status="errored")) == 5)
    set_broken(yes=False)
    await publish(deployment, [order(7)])
    await until_complete(deployment, "ship", 1)
    result = replayed(
        deployment, "--to-earliest", "--mode", "resume", "--execute", "--yes", "--wait"
    )
    assert (result["done"], result["outcomes"]) == (5, {"complete": 5})
    ledger = await deployment.ledger()
    (found,) = ledger.details("ship", event_instance_id(order(3)))
    assert found.output == 4
    assert [step.name for step in found.steps] == ["reserve", "ship"]


async def test_events_that_an_instance_was_sent_are_sent_to_the_one_that_repeats_it(
    deployment: Deployment,
) -> None:
    made = order(2, paid_later=True)
    paid = {"instance": event_instance_id(made), "amount": 40}
    await publish(deployment, [made])
    await deployment.until(lambda ledger: bool(ledger.summaries(status="waiting")))
    await publish(deployment, [CloudEvent("p-1", "test", "test.order.paid", "payments", paid)])
    await until_complete(deployment, "ship", 1)
    result = replayed(deployment, "--to-earliest", "--execute", "--yes", "--wait")
    assert result["outcomes"] == {"complete": 1}
    ledger = await deployment.ledger()
    repeats = [
        found
        for each in ledger.summaries(workflow="ship")
        for found in ledger.details("ship", each.instance_id)
        if found.replay is not None
    ]
    assert [(it.output, it.replay.of) for it in repeats if it.replay] == [
        (43, f"ship/{paid['instance']}")
    ]
