"""JSON Schemas (2020-12) of the public events, generated from the records that carry them.

`scripts/gen_schemas.py` writes them to `schemas/json/`. Within a version fields are only added,
and only optional ones; readers take unknown fields and unknown words.
"""

from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, with_config

from stepwell.schemas.cloudevents import RFC3339, schema_id
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.github import (
    ISSUE_ACTIONS,
    ISSUES,
    MILESTONE,
    MILESTONE_ACTIONS,
    REPO,
    TYPE_PREFIX,
    GithubItem,
    document_key,
)

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TIME: Schema = {"format": "date-time", "pattern": f"^{RFC3339.pattern}$"}
_ISSUE = GithubItem(
    type="issue",
    repo="acme/site",
    number=42,
    title="Search is slow",
    body="It takes ten seconds.",
    state="open",
    url="https://github.com/acme/site/issues/42",
    labels=("bug",),
    updated_at="2026-01-31T10:00:00Z",
    action="opened",
)
_MILESTONE = GithubItem(
    type="milestone",
    repo="acme/site",
    number=3,
    title="Faster search",
    body="",
    state="closed",
    url="https://github.com/acme/site/milestone/3",
    labels=(),
    updated_at="2026-02-28T10:00:00Z",
    action="closed",
)


def json_schemas() -> dict[str, Schema]:
    """Every public schema by its name, which is also the name of its file."""
    return {
        "cloudevent": _envelope(),
        ISSUES.schema: _item(ISSUES.schema, _ISSUE, ISSUE_ACTIONS),
        MILESTONE.schema: _item(MILESTONE.schema, _MILESTONE, MILESTONE_ACTIONS),
    }


def _item(name: str, example: GithubItem, actions: frozenset[str]) -> Schema:
    about = f"Data of the events {TYPE_PREFIX}{name.removeprefix('github-')}.*"
    refined: dict[str, Schema] = {
        "type": {"const": example.type},
        "repo": {"pattern": f"^{REPO.pattern}$"},
        "number": {"minimum": 1},
        "state": {"examples": ["open", "closed"]},
        "url": {"format": "uri"},
        "updated_at": _TIME,
        "action": {"examples": sorted(actions)},
    }
    return _generate(GithubItem, name, about, refined) | {"examples": [_plain(example)]}


def _envelope() -> Schema:
    refined: dict[str, Schema] = {
        "id": {"minLength": 1},
        "source": {"minLength": 1, "format": "uri-reference"},
        "type": {"minLength": 1},
        "subject": {"description": "What the event is about; also the key of the record."},
        "time": {"type": "string"} | _TIME,
    }
    schema = _generate(CloudEvent, "cloudevent", "A CloudEvent in structured mode", refined)
    properties = {"specversion": {"const": "1.0"}} | schema["properties"]
    del properties["extensions"], properties["time"]["anyOf"], properties["time"]["default"]
    return schema | {
        "properties": properties,
        "additionalProperties": {"type": ["string", "integer", "boolean"]},
        "required": ["specversion", "id", "source", "type"],
        "examples": [
            {
                "specversion": "1.0",
                "id": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
                "source": f"https://github.com/{_ISSUE.repo}",
                "type": f"{TYPE_PREFIX}issues.opened",
                "subject": document_key(_ISSUE.type, _ISSUE.repo, _ISSUE.number),
                "time": _ISSUE.updated_at,
                "dataschema": schema_id(ISSUES.schema),
                "data": _plain(_ISSUE),
            }
        ],
    }


def _generate(record: type, name: str, about: str, refined: dict[str, Schema]) -> Schema:
    with_config(use_attribute_docstrings=True)(record)
    schema = TypeAdapter(record).json_schema()
    for field, described in schema["properties"].items():
        del described["title"]
        described.update(refined.get(field, {}))
    head = {"$schema": _DIALECT, "$id": schema_id(name), "title": name, "description": about}
    return head | {key: value for key, value in schema.items() if key not in head}


def _plain(item: GithubItem) -> Schema:
    return asdict(item) | {"labels": list(item.labels)}
