"""Every example that we publish is taken: from Java by a worker, and over HTTP by a gateway.

The examples are read from the documents, as a stranger does who knows nothing else of us.
"""

import asyncio
import base64
import json
import secrets
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import ConsumerRecord

import stepwell.schemas
from stepwell.streams.app import run_gateway, run_worker
from stepwell.streams.kafka.tail import read_tail
from stepwell.streams.operator.queries import read_ledger
from stepwell.streams.settings import Settings
from stepwell.streams.settings_load import load_settings
from tests.bad_inputs.conftest import free_port, running
from tests.contract.log_contract_java import java_client
from tests.kafka.conditions import eventually

__all__ = ["java_client"]

DOCUMENTS = Path(stepwell.schemas.__file__).parent / "json"
STRUCTURED = "application/cloudevents+json"
GITHUB = {
    "github-issues": "issues",
    "github-milestone": "milestone",
    "github-issue-comment": "issue_comment",
}

Headers = dict[str, str]
Example = tuple[str, Headers, Any]
"""A key, headers, and a value that is JSON."""


def document(name: str) -> Any:
    return json.loads((DOCUMENTS / f"{name}.json").read_bytes())


def messages(channel: str) -> list[Any]:
    """The examples of a channel of the AsyncAPI document."""
    asyncapi = document("asyncapi")
    found = []
    for reference in asyncapi["channels"][channel]["messages"]:
        message = asyncapi["components"]["messages"][reference]
        assert message["examples"], reference
        found += [one | {"type": message["contentType"]} for one in message["examples"]]
    return found


def kafka_examples() -> list[Example]:
    """What may be appended to the events topic: by AsyncAPI, and by the JSON Schemas."""
    found: list[Example] = []
    for one in messages("events"):
        key = one["headers"].get("ce_subject") or one["payload"]["subject"]
        found.append((key, one["headers"], one["payload"]))
    found += [
        (event["subject"], {"content-type": STRUCTURED}, event)
        for event in document("cloudevent.schema")["examples"]
    ]
    for name, kind in GITHUB.items():
        for number, data in enumerate(document(f"{name}.schema")["examples"]):
            headers = {
                "ce_specversion": "1.0",
                "ce_id": f"{name}-{number}",
                "ce_source": "/examples",
                "ce_type": f"com.github.{kind}.{data['action']}",
            }
            found.append((data["url"], headers, data))
    return found


def settings_for(bootstrap: str, folder: Path, **more: str) -> Settings:
    name = f"t{secrets.token_hex(4)}"
    flags = {
        "kafka.bootstrap": bootstrap,
        "kafka.prefix": name,
        "kafka.app_id": f"{name}-worker",
        "kafka.partitions": "1",
        "gateway.port": str(free_port()),
        "metrics.port": str(free_port()),
        "worker.workflows": "tests.bad_inputs.flows:workflows",
        "worker.store": "memory",
        "worker.data_dir": str(folder),
    }
    return load_settings(flags=flags | more, environ={}, config=None, directory=folder)


@pytest.fixture(params=["embedded", "kafka"])
def bootstrap(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_bootstrap")
    return found


def attributes(example: Example) -> tuple[str, str]:
    """Id and type of an event."""
    _, headers, value = example
    event = value if STRUCTURED in headers.values() else headers
    prefix = "" if event is value else "ce_"
    return event[f"{prefix}id"], event[f"{prefix}type"]


def line(example: Example) -> str:
    """As `java/src/EventSender.java` reads it."""
    key, headers, value = example
    parts = [encoded(key), encoded(json.dumps(value, ensure_ascii=False))]
    for name, text in headers.items():
        parts += [name, encoded(text)]
    return "\t".join(parts)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.kafka
async def test_what_java_sends_is_taken_by_a_worker(
    tmp_path: Path, bootstrap: str, java_client: list[str]
) -> None:
    examples = kafka_examples()
    assert {STRUCTURED in headers.values() for _, headers, _ in examples} == {True, False}
    ids = {id_ for id_, type_ in map(attributes, examples) if type_.startswith("com.github.")}
    settings = settings_for(bootstrap, tmp_path)
    prefix = settings.kafka.prefix
    async with running(partial(run_worker, settings), settings.metrics.port):
        done = await asyncio.to_thread(
            subprocess.run,
            [*java_client[:-1], "EventSender", bootstrap, f"{prefix}.events"],
            input="\n".join(map(line, examples)).encode(),
            check=True,
            capture_output=True,
        )
        assert len(done.stdout.splitlines()) == len(examples)

        async def all_done() -> bool:  # the last one has an id of its own
            ledger = await read_ledger(settings)
            return len(ledger.summaries(status="complete")) == len(ids)

        await eventually(all_done, "an instance for each event of GitHub")
    letters: list[ConsumerRecord] = []
    await read_tail(bootstrap, f"{prefix}.dead-letters", letters.append, count_max=100)
    assert [dict(letter.headers)["stepwell-message"] for letter in letters] == []


async def test_what_comes_over_http_is_taken_by_a_gateway(
    tmp_path: Path, embedded_bootstrap: str
) -> None:
    settings = settings_for(embedded_bootstrap, tmp_path, **{"gateway.max_batch_events": "10"})
    requests = [
        ({"Content-Type": one["type"]} | one.get("headers", {}), one["payload"])
        for one in messages("events-http")
    ]
    assert len({headers["Content-Type"] for headers, _ in requests}) == 3
    requests += [
        ({"Content-Type": STRUCTURED}, event) for event in document("cloudevent.schema")["examples"]
    ]
    url = f"http://127.0.0.1:{settings.gateway.port}/events"
    async with (
        running(partial(run_gateway, settings), settings.gateway.port),
        aiohttp.ClientSession() as client,
    ):
        for headers, payload in requests:
            body = json.dumps(payload)
            async with client.post(url, data=body, headers=headers) as answer:
                assert answer.status == 202, (await answer.text(), headers, payload)
