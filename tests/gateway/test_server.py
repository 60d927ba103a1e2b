"""The whole gateway on real Kafka: from a webhook to a record, over a restart."""

import json
import uuid

import aiohttp
import pytest

from stepwell.schemas.cloudevents import decode
from stepwell.schemas.topics import Topics
from stepwell.streams.gateway.server import GatewayConfig
from stepwell.streams.gateway.sources import SourcesConfig
from stepwell.streams.kafka.admin import inspect_topics
from stepwell.streams.kafka.tail import read_tail
from tests.gateway.serving import free_port, running

pytestmark = pytest.mark.kafka


async def test_a_webhook_is_in_the_log_and_known_after_a_restart(
    kafka_bootstrap, github_headers, sample
):
    topics = Topics(prefix=f"t{uuid.uuid4().hex[:8]}", app_id="t", partitions=2)
    config = GatewayConfig(
        bootstrap=kafka_bootstrap,
        topics=topics,
        port=free_port(),
        sources=SourcesConfig(github_secrets=("It's a Secret to Everybody",)),
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
