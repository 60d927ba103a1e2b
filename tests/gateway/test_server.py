"""The whole gateway on real Kafka: from a webhook to a record, over a restart."""

import asyncio
import json
import socket
import uuid
from contextlib import asynccontextmanager

import aiohttp
import pytest

from stepwell.schemas.cloudevents import decode
from stepwell.schemas.topics import Topics
from stepwell.streams.gateway.server import GatewayConfig, run_gateway
from stepwell.streams.kafka.admin import inspect_topics
from stepwell.streams.kafka.tail import read_tail

pytestmark = pytest.mark.kafka


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def running(config):
    stop = asyncio.Event()
    server = asyncio.create_task(run_gateway(config, stop))
    try:
        async with asyncio.timeout(30):
            while not await ready(config):
                assert not server.done(), server.exception()
        yield f"http://127.0.0.1:{config.port}"
    finally:
        stop.set()
        await server


async def ready(config):
    url = f"http://127.0.0.1:{config.port}/readyz"
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def test_a_webhook_is_in_the_log_and_known_after_a_restart(
    kafka_bootstrap, github_headers, sample
):
    topics = Topics(prefix=f"t{uuid.uuid4().hex[:8]}", app_id="t", partitions=2)
    config = GatewayConfig(
        bootstrap=kafka_bootstrap,
        topics=topics,
        port=free_port(),
        github_secrets=("It's a Secret to Everybody",),
    )
    body = json.dumps(sample("issues.opened")).encode()

    async def post(url):
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{url}/webhooks/github", data=body, headers=github_headers(body)
            ) as answer,
        ):
            return answer.status, await answer.json()

    async with running(config) as url:
        status, first = await post(url)
        assert (status, first["duplicate"]) == (202, False)
    async with running(config) as url:
        status, again = await post(url)
        assert (status, again["duplicate"]) == (202, True)

    records = []
    await read_tail(kafka_bootstrap, topics.events, records.append, count_max=10)
    [record] = records
    event = decode(record.key, record.value, record.headers)
    assert event.id == first["event"]
    assert event.data["title"] == "Search is slow"
    findings = await inspect_topics(kafka_bootstrap, topics.facts())
    assert [finding.problem for finding in findings] == [""] * len(topics.facts())
