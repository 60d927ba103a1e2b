"""The AsyncAPI 3 document of a deployment: where events go in and out, and what they look like.

Made of the same records as the JSON Schemas. `scripts/gen_schemas.py` writes the document of the
default topics to `schemas/json/`, the gateway serves the one of its own.
"""

import re
from collections.abc import Iterable

import orjson

from stepwell.schemas import lifecycle
from stepwell.schemas.cloudevents import EVENT_BYTES_MAX, EventRecord, encode
from stepwell.schemas.envelope import (
    BATCH,
    JSON_TYPE,
    KEY_BYTES_MAX,
    SCHEMA_VERSION,
    SPECVERSION,
    STRUCTURED,
    document_of_event,
)
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.examples import (
    COMMENT_CREATED,
    INSTANCE_ERRORED,
    ISSUE_OPENED,
    MILESTONE_CLOSED,
    ORDER_PLACED,
)
from stepwell.schemas.github import COMMENT, ISSUES, MILESTONE
from stepwell.schemas.json_schemas import ENVELOPE, Schema, json_schemas
from stepwell.schemas.topics import TopicFacts, Topics

ANY = "any-event"
_KAFKA_BINDING = "0.5.0"
_HTTP_BINDING = "0.3.0"
_SENT_HERE = {
    ISSUES.schema: ISSUE_OPENED,
    MILESTONE.schema: MILESTONE_CLOSED,
    COMMENT.schema: COMMENT_CREATED,
    ANY: ORDER_PLACED,
}
_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time", "dataschema")


def asyncapi(topics: Topics) -> Schema:
    """The document of a deployment with these topics."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Stepwell",
            "version": f"{SCHEMA_VERSION}.0.0",
            "description": (
                "CloudEvents 1.0 that start and inform workflows, sent to Kafka or over HTTP; and "
                "those that say what becomes of workflow instances. Events are JSON. Within a "
                "version, schemas only gain optional members: readers take unknown ones."
            ),
        },
        "defaultContentType": JSON_TYPE,
        "servers": _servers(),
        "channels": {
            "events": _topic_channel(topics, topics.events, _names(_SENT_HERE)),
            "events-http": _http_channel(),
            "lifecycle": _topic_channel(topics, topics.lifecycle, [f"{lifecycle.SCHEMA}-binary"]),
        },
        "operations": _operations(topics),
        "components": {
            "messages": _messages(),
            "schemas": _schemas(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "gateway.token"}
            },
        },
    }


def record_examples() -> list[tuple[str, EventRecord]]:
    """The examples of the events channel as Kafka records, by the names of their messages."""
    found = []
    for name, event in _SENT_HERE.items():
        binary = encode(event)
        headers = [("content-type", STRUCTURED.encode())]
        value = orjson.dumps(document_of_event(event))
        found += [
            (f"{name}-binary", binary),
            (f"{name}-structured", EventRecord(binary.key, value, headers)),
        ]
    return found


def _servers() -> Schema:
    address = {"brokers": {"default": "127.0.0.1:9092", "description": "kafka.bootstrap"}}
    gateway = {"gateway": {"default": "127.0.0.1:8400", "description": "gateway.host and .port"}}
    return {
        "kafka": {"host": "{brokers}", "protocol": "kafka", "variables": address},
        "gateway": {
            "host": "{gateway}",
            "protocol": "http",
            "variables": gateway,
            "security": [{"$ref": "#/components/securitySchemes/token"}],
        },
    }


def _topic_channel(topics: Topics, topic: str, messages: Iterable[str]) -> Schema:
    [facts] = [facts for facts in topics.facts() if facts.name == topic]
    return {
        "address": topic,
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": _message_refs(messages),
        "bindings": {"kafka": _topic_binding(facts)},
    }


def _topic_binding(facts: TopicFacts) -> Schema:
    configuration: Schema = {"cleanup.policy": [facts.cleanup_policy]}
    if facts.retention_ms is not None:
        configuration["retention.ms"] = facts.retention_ms
    return {
        "topic": facts.name,
        "partitions": facts.partitions,
        "topicConfiguration": configuration,
        "bindingVersion": _KAFKA_BINDING,
    }


def _http_channel() -> Schema:
    structured = [f"{name}-structured" for name in _SENT_HERE]
    return {
        "address": "/events",
        "description": (
            "Answers 202 with event, subject, instance and whether it is a duplicate, once the "
            "event is stored. A batch is stored as a whole or refused; it is taken where "
            "gateway.max_batch_events is above 0."
        ),
        "servers": [{"$ref": "#/servers/gateway"}],
        "messages": _message_refs([*structured, "http-binary", "http-batch"]),
    }


def _operations(topics: Topics) -> Schema:
    group = {"type": "string", "enum": [topics.app_id]}
    return {
        "receiveEvents": {
            "action": "receive",
            "channel": {"$ref": "#/channels/events"},
            "summary": "Events that workers route to workflows.",
            "bindings": {"kafka": {"groupId": group, "bindingVersion": _KAFKA_BINDING}},
        },
        "receiveEventsOverHttp": {
            "action": "receive",
            "channel": {"$ref": "#/channels/events-http"},
            "summary": "Events that the gateway appends to the topic.",
            "bindings": {"http": {"method": "POST", "bindingVersion": _HTTP_BINDING}},
        },
        "sendLifecycle": {
            "action": "send",
            "channel": {"$ref": "#/channels/lifecycle"},
            "summary": "One event for each change of the status of an instance.",
        },
    }


def _messages() -> Schema:
    found: Schema = {}
    for name, event in _SENT_HERE.items():
        found[f"{name}-binary"] = _binary(name, event)
        found[f"{name}-structured"] = _structured(name, event)
    found[f"{lifecycle.SCHEMA}-binary"] = _binary(lifecycle.SCHEMA, INSTANCE_ERRORED)
    found["http-binary"] = _http_binary(ORDER_PLACED)
    found["http-batch"] = _batch((ISSUE_OPENED, ORDER_PLACED))
    return found


def _binary(name: str, event: CloudEvent) -> Schema:
    headers = {header: raw.decode() for header, raw in encode(event).headers}
    return {
        "name": f"{name}-binary",
        "title": f"{_title(name)}, attributes in record headers",
        "contentType": JSON_TYPE,
        "headers": {"$ref": "#/components/schemas/kafka-headers"},
        "payload": _data(name),
        "bindings": _key_binding(),
        "examples": [{"name": event.id, "headers": headers, "payload": event.data}],
    }


def _structured(name: str, event: CloudEvent) -> Schema:
    envelope = {"$ref": f"#/components/schemas/{ENVELOPE}"}
    payload = {"allOf": [envelope, {"properties": {"data": _data(name)}}]}
    headers = {"content-type": STRUCTURED}
    return {
        "name": f"{name}-structured",
        "title": f"{_title(name)}, all of it in the value",
        "contentType": STRUCTURED,
        "headers": {
            "type": "object",
            "required": ["content-type"],
            "properties": {
                "content-type": {"type": "string", "pattern": f"^{re.escape(STRUCTURED)}"}
            },
        },
        "payload": envelope if name == ANY else payload,
        "bindings": _key_binding(),
        "examples": [{"name": event.id, "headers": headers, "payload": document_of_event(event)}],
    }


def _http_binary(event: CloudEvent) -> Schema:
    kafka = {header: raw.decode() for header, raw in encode(event).headers}
    headers = {name.replace("ce_", "ce-"): text for name, text in kafka.items()}
    return {
        "name": "http-binary",
        "title": "Any event over HTTP, attributes in headers, percent-encoded",
        "contentType": JSON_TYPE,
        "headers": {"$ref": "#/components/schemas/http-headers"},
        "payload": {},
        "examples": [{"name": event.id, "headers": headers, "payload": event.data}],
    }


def _batch(events: Iterable[CloudEvent]) -> Schema:
    documents = [document_of_event(event) for event in events]
    return {
        "name": "http-batch",
        "title": "Several events over HTTP",
        "contentType": BATCH,
        "payload": {"type": "array", "items": {"$ref": f"#/components/schemas/{ENVELOPE}"}},
        "examples": [{"name": "two-events", "payload": documents}],
    }


def _schemas() -> Schema:
    found = {
        name: {key: value for key, value in schema.items() if key != "$schema"}
        for name, schema in json_schemas().items()
    }
    return found | {"kafka-headers": _headers("ce_"), "http-headers": _headers("ce-")}


def _headers(prefix: str) -> Schema:
    envelope = json_schemas()[ENVELOPE]
    described = {
        f"{prefix}{name}": envelope["properties"].get(name, {"type": "string"})
        for name in _ATTRIBUTES
    }
    described[f"{prefix}specversion"] = {"type": "string", "const": SPECVERSION}
    return {
        "type": "object",
        "required": [f"{prefix}{name}" for name in envelope["required"]],
        "properties": described | {"content-type": {"type": "string"}},
        "additionalProperties": {"type": "string"},
    }


def _key_binding() -> Schema:
    key = {
        "type": "string",
        "maxLength": KEY_BYTES_MAX,
        "description": (
            "The subject: what the event is about. Events of one subject keep their order. "
            f"Key, value and headers together have at most {EVENT_BYTES_MAX} bytes."
        ),
    }
    return {"kafka": {"key": key, "bindingVersion": _KAFKA_BINDING}}


def _data(name: str) -> Schema:
    return {} if name == ANY else {"$ref": f"#/components/schemas/{name}"}


def _title(name: str) -> str:
    return name.replace("-", " ").capitalize()


def _names(events: Iterable[str]) -> list[str]:
    return [f"{name}-{mode}" for name in events for mode in ("binary", "structured")]


def _message_refs(names: Iterable[str]) -> Schema:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}
