"""Lifecycle events are what their published schema says."""

import pytest
from jsonschema import Draft202012Validator

from stepwell.schemas.cloudevents import decode, encode
from stepwell.schemas.journal import InstanceKey
from stepwell.schemas.json_schemas import json_schemas
from stepwell.schemas.lifecycle import SCHEMA, STATUSES, lifecycle_event
from stepwell.streams.engine.state import Status

KEY = InstanceKey("embed", "i-1")


def test_every_status_of_the_engine_is_published():
    assert {status.value for status in Status} | {"deleted"} == set(STATUSES)


@pytest.mark.parametrize("status", STATUSES)
def test_the_data_is_as_the_schema_says(status):
    event = lifecycle_event(KEY, status, offset=7, at_ms=0)
    Draft202012Validator(json_schemas()[SCHEMA]).validate(event.data)
    assert event.type == f"stepwell.instance.{status}"
    assert event.time == "1970-01-01T00:00:00+00:00"
    assert decode(*encode(event)) == event


def test_an_error_is_told():
    event = lifecycle_event(KEY, "errored", offset=7, at_ms=0, error="TooBad: it is")
    Draft202012Validator(json_schemas()[SCHEMA]).validate(event.data)
    assert event.data["error"] == "TooBad: it is"
