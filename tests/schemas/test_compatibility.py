"""What was released stays readable both ways: within a version only optional members are added.

`released/<version>/` holds the schemas of each release as they were; nothing there changes again.
"""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from stepwell.schemas.json_schemas import json_schemas

RELEASED = sorted((Path(__file__).parent / "released").glob("*/*.schema.json"))
NOTES = {"title", "description", "examples", "default"}
OLD = {
    "$id": "urn:stepwell:schema:x:1",
    "type": "object",
    "properties": {"a": {"type": "string", "description": "A."}, "b": {"type": "integer"}},
    "required": ["a"],
}


def breaks(old, new):
    """What keeps readers of one schema from data of the other, in both directions."""
    members = new.get("properties", {})
    for name, rule in old.get("properties", {}).items():
        if name not in members:
            yield f"{name} is gone"
        elif bare(members[name]) != bare(rule):
            yield f"{name} has another rule"
    if set(new.get("required", [])) != set(old.get("required", [])):
        yield "other members are required"
    for word in (old.keys() | new.keys()) - NOTES - {"properties", "required"}:
        if bare(old.get(word)) != bare(new.get(word)):
            yield f"{word} is another"


def bare(schema):
    """A schema without what is only for people."""
    if isinstance(schema, dict):
        return {name: bare(part) for name, part in schema.items() if name not in NOTES}
    return [bare(part) for part in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_schema_agrees_with_every_release_of_its_version(path):
    old = json.loads(path.read_bytes())
    current = {schema["$id"]: schema for schema in json_schemas().values()}
    assert old["$id"] in current, "a version that was released is still served"
    new = current[old["$id"]]
    assert list(breaks(old, new)) == []
    for one, other in ((old, new), (new, old)):
        for example in one["examples"]:
            Draft202012Validator(other).validate(example)


def test_something_was_released():
    assert len(RELEASED) >= 3


def test_an_optional_member_may_be_added_and_prose_may_change():
    added = {**OLD["properties"], "c": {"type": "boolean"}, "a": {"type": "string"}}
    assert list(breaks(OLD, OLD | {"properties": added, "description": "New."})) == []


@pytest.mark.parametrize(
    "change",
    [
        {"required": ["a", "b"]},
        {"required": []},
        {"properties": {"a": {"type": "string"}}},
        {"properties": {"a": {"type": "string", "maxLength": 9}, "b": {"type": "integer"}}},
        {"properties": {"a": {"type": ["string", "null"]}, "b": {"type": "integer"}}},
        {"additionalProperties": False},
        {"$id": "urn:stepwell:schema:x:2"},
    ],
)
def test_anything_else_is_found(change):
    assert list(breaks(OLD, OLD | change))
