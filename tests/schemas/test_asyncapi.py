"""The AsyncAPI document is valid, describes the topics, and its examples are what we read."""

import warnings

import orjson
import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from stepwell.schemas.asyncapi import asyncapi, record_examples
from stepwell.schemas.cloudevents import decode
from stepwell.schemas.cloudevents_http import decode_batch, decode_binary, decode_structured
from stepwell.schemas.json_schemas import json_schemas
from stepwell.schemas.topics import Topics

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # of its own fields
    from asyncapi3 import AsyncAPI3

TOPICS = Topics(prefix="acme", app_id="acme-worker", partitions=3)
DOCUMENT = orjson.loads(orjson.dumps(asyncapi(TOPICS)))
MESSAGES = DOCUMENT["components"]["messages"]


def conforms(part, value):
    """Check a value against a part of the document, by its references."""
    registry = Registry().with_resource("doc:", DRAFT202012.create_resource(DOCUMENT))
    schema = orjson.loads(orjson.dumps(part).replace(b'"#/', b'"doc:#/'))
    Draft202012Validator(schema, registry=registry).validate(value)


def test_it_is_an_asyncapi_3_document():
    AsyncAPI3.model_validate(DOCUMENT)


@pytest.mark.parametrize(
    "planted",
    [
        {"channels": {"events": {"adress": "x"}}},
        {"operations": {"receiveEvents": {"action": "publish"}}},
    ],
)
def test_what_is_no_asyncapi_document_would_be_found(planted):
    with pytest.raises(ValidationError):
        AsyncAPI3.model_validate(DOCUMENT | planted)


def test_it_names_the_topics_of_the_deployment():
    channel = DOCUMENT["channels"]["events"]
    assert channel["address"] == "acme.events"
    assert channel["bindings"]["kafka"] == {
        "topic": "acme.events",
        "partitions": 3,
        "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": 604_800_000},
        "bindingVersion": "0.5.0",
    }
    assert DOCUMENT["channels"]["lifecycle"]["address"] == "acme.lifecycle"
    group = DOCUMENT["operations"]["receiveEvents"]["bindings"]["kafka"]["groupId"]
    assert group["enum"] == ["acme-worker"]


def test_every_schema_of_data_is_in_a_message_of_each_mode():
    for name in json_schemas().keys() - {"cloudevent", "instance-lifecycle"}:
        for mode in ("binary", "structured"):
            assert f"{name}-{mode}" in DOCUMENT["channels"]["events"]["messages"]


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_has_an_example_that_its_schemas_allow(name):
    message = MESSAGES[name]
    for example in message["examples"]:
        conforms(message["payload"], example["payload"])
        if "headers" in message:
            conforms(message["headers"], example["headers"])


@pytest.mark.parametrize("name", MESSAGES)
def test_every_example_is_read(name):
    for example in MESSAGES[name]["examples"]:
        body, headers = orjson.dumps(example["payload"]), example.get("headers", {})
        if name == "http-batch":
            assert len(decode_batch(body, 2)) == 2
        elif name == "http-binary":
            assert decode_binary(headers.items(), body).data == example["payload"]
        else:
            event = decode(None, body, [(key, text.encode()) for key, text in headers.items()])
            assert event.data == example["payload"].get("data", example["payload"])
            if name.endswith("-structured"):
                assert decode_structured(body) == event


def test_examples_as_records_are_those_of_the_document():
    for name, record in record_examples():
        [example] = MESSAGES[name]["examples"]
        assert orjson.loads(record.value) == example["payload"]
        assert {key: raw.decode() for key, raw in record.headers} == example["headers"]
        assert decode(*record).subject == record.key.decode()
