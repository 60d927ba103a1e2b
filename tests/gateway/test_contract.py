"""The contract can be read from the gateway, without a token, and what it says is true."""

from urllib.parse import quote

import aiohttp
import orjson

from stepwell.schemas.asyncapi import asyncapi
from stepwell.schemas.cloudevents import decode
from stepwell.schemas.json_schemas import json_schemas
from stepwell.schemas.topics import Topics
from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.gateway.server import GatewayConfig
from stepwell.streams.gateway.webhooks import Rules
from stepwell.streams.kafka.tail import read_tail
from tests.gateway.serving import free_port, running


async def test_schemas_are_listed_and_served(gateway_with):
    async with gateway_with(token="a long random token") as gateway:
        status, answer, _ = await gateway.request("GET", "/schemas")
        assert status == 200
        assert answer["schemas"].keys() == json_schemas().keys()
        for name, about in answer["schemas"].items():
            status, schema, headers = await gateway.request("GET", about["url"])
            assert (status, schema) == (200, json_schemas()[name])
            assert headers["Content-Type"] == "application/schema+json"
            assert schema["$id"] == about["id"]


async def test_the_asyncapi_document_is_served(gateway):
    status, document, headers = await gateway.request("GET", "/asyncapi.json")
    assert (status, document) == (200, asyncapi(Topics()))
    assert headers["Content-Type"] == "application/vnd.aai.asyncapi+json"


async def test_an_unknown_schema_is_not_found_and_not_repeated(gateway):
    status, answer, _ = await gateway.request("GET", "/schemas/marker")
    assert status == 404
    assert "marker" not in str(answer)


async def test_every_example_is_taken_by_a_running_gateway_and_lies_in_the_topic(tmp_path):
    async with EmbeddedBroker(BrokerConfig(tmp_path)) as broker:
        config = GatewayConfig(
            bootstrap=broker.address, port=free_port(), rules=Rules(max_batch_events=10)
        )
        async with running(config) as url, aiohttp.ClientSession() as session:
            async with session.get(f"{url}/asyncapi.json") as answer:
                document = orjson.loads(await answer.read())
            sent = set()
            for message in document["components"]["messages"].values():
                for headers, body in requests(message):
                    async with session.post(f"{url}/events", data=body, headers=headers) as answer:
                        told = orjson.loads(await answer.read())
                        assert answer.status == 202, told
                        sent |= {it["event"] for it in told.get("events", [told])}
        records = []
        topic = document["channels"]["events"]["address"]
        await read_tail(broker.address, topic, records.append, count_max=1000)
    assert {decode(r.key, r.value, r.headers).id for r in records} == sent
    assert len(records) == len(sent)


def requests(message):
    """The examples of a message as headers and body; names of headers as HTTP has them."""
    for example in message["examples"]:
        headers = {
            name.replace("ce_", "ce-"): quote(text, safe=":/#")
            for name, text in example.get("headers", {}).items()
            if name != "content-type"
        }
        yield headers | {"Content-Type": message["contentType"]}, orjson.dumps(example["payload"])
