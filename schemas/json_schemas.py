"""JSON Schemas (2020-12) of the public events, generated from the records that carry them.

`scripts/gen_schemas.py` writes them to `schemas/json/`. Within a version fields are only added,
and only optional ones; readers take unknown fields and unknown words.
"""

from functools import cache
from typing import Any

from pydantic import TypeAdapter, with_config

from stepwell.schemas import lifecycle
from stepwell.schemas.envelope import RFC3339, document_of_event, schema_id
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.examples import (
    COMMENT_CREATED,
    INSTANCE_ERRORED,
    ISSUE_OPENED,
    MILESTONE_CLOSED,
    ORDER_PLACED,
)
from stepwell.schemas.github import (
    COMMENT,
    COMMENT_ACTIONS,
    ISSUE_ACTIONS,
    ISSUES,
    MILESTONE,
    MILESTONE_ACTIONS,
    REPO,
    GithubComment,
    GithubItem,
)

Schema = dict[str, Any]

ENVELOPE = "cloudevent"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TIME: Schema = {"format": "date-time", "pattern": f"^{RFC3339.pattern}$"}


@cache
def json_schemas() -> dict[str, Schema]:
    """Every public schema by its name, which is also the name of its file; not to be changed."""
    return {
        ENVELOPE: _envelope(),
        ISSUES.schema: _item(ISSUES.schema, ISSUE_OPENED, ISSUE_ACTIONS),
        MILESTONE.schema: _item(MILESTONE.schema, MILESTONE_CLOSED, MILESTONE_ACTIONS),
        COMMENT.schema: _item(COMMENT.schema, COMMENT_CREATED, COMMENT_ACTIONS),
        lifecycle.SCHEMA: _lifecycle(),
    }


def _item(name: str, example: CloudEvent, actions: frozenset[str]) -> Schema:
    about = f"Data of the events {example.type.rpartition('.')[0]}.*"
    refined: dict[str, Schema] = {
        "type": {"const": example.data["type"]},
        "repo": {"pattern": f"^{REPO.pattern}$"},
        "number": {"minimum": 1},
        "state": {"examples": ["open", "closed"]},
        "url": {"format": "uri"},
        "updated_at": _TIME,
        "action": {"examples": sorted(actions)},
    }
    record = GithubComment if name == COMMENT.schema else GithubItem
    if record is GithubComment:
        refined["comment_id"] = {"minimum": 1}
    return _generate(record, name, about, refined) | {"examples": [example.data]}


def _envelope() -> Schema:
    refined: dict[str, Schema] = {
        "id": {"minLength": 1},
        "source": {"minLength": 1, "format": "uri-reference"},
        "type": {"minLength": 1},
        "subject": {"description": "What the event is about; also the key of the record."},
        "time": {"type": "string"} | _TIME,
    }
    schema = _generate(CloudEvent, ENVELOPE, "A CloudEvent in structured mode", refined)
    properties = {"specversion": {"const": "1.0"}} | schema["properties"]
    del properties["extensions"], properties["time"]["anyOf"], properties["time"]["default"]
    return schema | {
        "properties": properties,
        "additionalProperties": {"type": ["string", "integer", "boolean"]},
        "required": ["specversion", "id", "source", "type"],
        "examples": [document_of_event(event) for event in (ISSUE_OPENED, ORDER_PLACED)],
    }


def _lifecycle() -> Schema:
    refined: dict[str, Schema] = {"status": {"examples": list(lifecycle.STATUSES)}}
    about = f"Data of the events {lifecycle.TYPE_PREFIX}*"
    schema = _generate(lifecycle.InstanceChanged, lifecycle.SCHEMA, about, refined)
    schema["properties"]["error"] = {
        "type": "string",  # left out, never null
        "description": schema["properties"]["error"]["description"],
    }
    return schema | {"examples": [INSTANCE_ERRORED.data]}


def _generate(record: type, name: str, about: str, refined: dict[str, Schema]) -> Schema:
    with_config(use_attribute_docstrings=True)(record)
    schema = TypeAdapter(record).json_schema()
    for field, described in schema["properties"].items():
        del described["title"]
        described.update(refined.get(field, {}))
    head = {"$schema": _DIALECT, "$id": schema_id(name), "title": name, "description": about}
    return head | {key: value for key, value in schema.items() if key not in head}
