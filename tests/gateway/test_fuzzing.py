"""Schemathesis against a running gateway on a real log: no 5xx, and nothing that is not documented.

It runs as a process of its own, as anybody would run it; the document is the one that is served,
with ids in it that there are.
"""

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
import orjson
import pytest

from stepwell.schemas import codec
from stepwell.schemas.cloudevents import EventRecord
from stepwell.schemas.dead_letters import Failure, Letter, Repeats, Source, letter_headers
from stepwell.schemas.journal import (
    AttemptFailed,
    InstanceCreated,
    InstanceErrored,
    InstancePaused,
    StepSucceeded,
)
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.app import run_gateway
from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.kafka.publisher import EventPublisher
from stepwell.streams.operator.queries import ensure_topics
from stepwell.streams.settings import Settings
from stepwell.streams.settings_load import load_settings
from stepwell.streams.wiring import topics_of
from tests.gateway.serving import free_port, ready

pytestmark = pytest.mark.slow

TOKEN = "a long random token, of a test"
PUBLISHED = Path(__file__).resolve().parents[2] / "schemas" / "json" / "openapi.json"
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
EXAMPLES_MAX = 10
TIME_MAX_S = 300
KNOWN = {
    "workflow": ["order"],
    "id": ["one", "two", "latest"],
    "step": ["pay"],
    "letter": ["0:0", "1:0", "0:1", "1:1"],
    "name": ["cloudevent"],
}
WITHOUT_END = "/api/v1/stream"
NEEDS_A_MODEL = "^/api/v1/(search|documents)"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
"""Not `allow_header_conformance`: an instance may be called `batch`, so that path may be got."""


def settings_of(bootstrap: str, folder: Path) -> Settings:
    flags = {
        "kafka.bootstrap": bootstrap,
        "kafka.partitions": "2",
        "gateway.port": str(free_port()),
        "gateway.max_batch_events": "10",
        "readmodel.dir": str(folder / "readmodel"),
        "worker.data_dir": str(folder / "data"),
        "worker.workflows": "tests.replay.flows:workflows",
        "index.url": f"sqlite://{quote(str(folder / 'index.db'))}",
    }
    environ = {"STEPWELL_GATEWAY_TOKEN": TOKEN}
    return load_settings(flags=flags, environ=environ, config=None, directory=folder)


async def tell_a_story(settings: Settings) -> None:
    """Instances with steps, attempts, an error and a pause; what a worker would write."""
    publisher = EventPublisher(settings.kafka.bootstrap, topics_of(settings.kafka).journal)
    for name in ("one", "two"):
        key = f"order/{name}".encode()
        created = EventRecord(key, codec.encode(InstanceCreated({"n": 1}, 1_000)), [])
        run = (await publisher.append(created)).offset
        error = ErrorInfo("Boom", "it broke")
        end = InstanceErrored(run, 0, 2_000, error)
        for record in (
            AttemptFailed(run, "pay", 1, 1, 0, 1_100, 1_200, error, 1_300),
            StepSucceeded(run, "pay", 1, 2, 0, 1_300, 1_400, {"paid": True}),
            end if name == "one" else InstancePaused(run, 0, 2_000, "by request", ""),
        ):
            await publisher.append(EventRecord(key, codec.encode(record), []))
    await publisher.stop()
    letters = EventPublisher(settings.kafka.bootstrap, topics_of(settings.kafka).dead_letters)
    source = Source(topics_of(settings.kafka).events, 0, 0, 1_000)
    letter = Letter(
        source, Failure("route", "trigger", "no total"), Repeats(1, "trigger", 1), 1, ""
    )
    for key in (b"one", b"two", b"three", b"four"):
        await letters.append(EventRecord(key, b"{}", [*letter_headers(letter, ())]))
    await letters.stop()


@asynccontextmanager
async def running_gateway(folder: Path):
    async with EmbeddedBroker(BrokerConfig(folder / "broker")) as broker:
        settings = settings_of(broker.address, folder)
        await ensure_topics(settings)
        await tell_a_story(settings)
        stop = asyncio.Event()
        server = asyncio.create_task(run_gateway(settings, stop))
        try:
            async with asyncio.timeout(30):
                while not await ready(settings.gateway):
                    assert not server.done(), server.exception()
            yield f"http://127.0.0.1:{settings.gateway.port}"
        finally:
            stop.set()
            await server


async def document_of(url: str):
    """The document as it is served, in which what there is may be asked for."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(url, headers=headers) as session:
        async with session.get("/api/v1/openapi.json") as answer:
            document = orjson.loads(await answer.read())
        async with session.post("/api/v1/replays", json={"start": "earliest"}) as answer:
            known = KNOWN | {"replay": [(await answer.json())["id"]]}
    del document["paths"][WITHOUT_END]
    for item in document["paths"].values():
        for operation in (it for method, it in item.items() if method != "delete"):
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"] in known:
                    there = {"enum": known[parameter["name"]]}
                    parameter["schema"] = {"anyOf": [there, parameter["schema"]]}
    return document


async def test_what_is_served_is_what_is_published(tmp_path):
    published = orjson.loads(PUBLISHED.read_bytes())
    async with (
        running_gateway(tmp_path) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/api/v1/openapi.json") as answer,
    ):
        assert orjson.loads(await answer.read()) == published


async def test_nothing_makes_it_fail_or_answer_what_is_not_documented(tmp_path):
    async with running_gateway(tmp_path) as url:
        file = tmp_path / "openapi.json"
        file.write_bytes(orjson.dumps(await document_of(url)))
        command = [
            *("run", str(file), "--url", url, "--checks", ",".join(CHECKS)),
            *("--header", f"Authorization: Bearer {TOKEN}", "--exclude-path-regex", NEEDS_A_MODEL),
            *("--max-examples", str(EXAMPLES_MAX), "--seed", "7", "--request-timeout", "10"),
            *("--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color"),
            *("--output-truncate", "false", "--warnings", "off", "--no-shrink"),
        ]
        process = await asyncio.create_subprocess_exec(
            SCHEMATHESIS,
            *command,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(TIME_MAX_S):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode == 0, said.decode()
