"""`stepwell schema`: the contract is listed and printed."""

import json


def test_schemas_are_listed(stepwell):
    result = stepwell("schema")
    assert result.exit_code == 0
    assert "urn:x" in result.stdout
    assert "AsyncAPI 3.0.0" in result.stdout
    assert json.loads(stepwell("schema", "--json").stdout)[0] == {
        "name": "cloudevent",
        "id": "urn:x",
    }


def test_a_schema_is_printed_as_json(stepwell):
    assert json.loads(stepwell("schema", "cloudevent").stdout) == {"$id": "urn:x"}
    assert json.loads(stepwell("schema", "asyncapi").stdout) == {"asyncapi": "3.0.0"}


def test_an_unknown_schema_is_not_found(stepwell):
    result = stepwell("schema", "nothing")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "stepwell schema" in result.stderr
