"""The published schemas are fresh, and agree with what is written and read."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from jsonschema import Draft202012Validator, ValidationError

from stepwell.schemas.cloudevents import decode, encode
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.github import document_of, github_event
from stepwell.schemas.json_schemas import json_schemas

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = json_schemas()


def validator(name):
    return Draft202012Validator(SCHEMAS[name], format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_the_files_are_what_the_records_say():
    script = ROOT / "scripts" / "gen_schemas.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_has_an_identity_and_a_valid_example(name):
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:stepwell:schema:{name}:1"
    for example in schema["examples"]:
        validator(name).validate(example)


def test_examples_are_read_by_the_product():
    headers = [("content-type", b"application/cloudevents+json")]
    for envelope in SCHEMAS["cloudevent"]["examples"]:
        event = decode(None, orjson.dumps(envelope), headers)
        assert decode(*encode(event)) == event
    [issue] = SCHEMAS["github-issues"]["examples"]
    assert document_of(issue).key == "github:acme/site#42"
    [milestone] = SCHEMAS["github-milestone"]["examples"]
    assert document_of(milestone).type == "milestone"


def test_every_event_of_a_webhook_is_valid(webhook):
    name, payload = webhook
    event = github_event(name, "1", payload, comments=True)
    if isinstance(event, CloudEvent):
        validator(f"github-{name}".replace("_", "-")).validate(event.data)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("github-issues", {"type": "milestone"}),
        ("github-issues", {"number": 0}),
        ("github-issues", {"repo": "acme"}),
        ("github-milestone", {"updated_at": "now"}),
        ("cloudevent", {"specversion": "0.3"}),
        ("cloudevent", {"id": ""}),
        ("cloudevent", {"tenant": {}}),
    ],
)
def test_what_is_wrong_is_invalid(name, change):
    example = SCHEMAS[name]["examples"][0]
    with pytest.raises(ValidationError):
        validator(name).validate(example | change)
