"""The OpenAPI document: valid, about every route and no other, and what it says of who may ask."""

import runpy
from http import HTTPStatus
from pathlib import Path

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from stepwell.streams.gateway.app import OPENAPI
from stepwell.streams.gateway.guards import Guard, Scope
from stepwell.streams.gateway.openapi import openapi, parse_path
from stepwell.streams.gateway.problems import Problem
from stepwell.streams.gateway.routing import Answer, Doc, Route

OPERATE, READ = "a long random token", "another long random token"
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "gen_schemas.py"
WITHOUT_SCOPE = {
    "/webhooks/{source}",
    "/schemas",
    "/schemas/{name}",
    "/asyncapi.json",
    "/healthz",
    "/readyz",
    "/api/v1/openapi.json",
}


@pytest.fixture(scope="module")
def whole():
    """A gateway with every route that there can be."""
    return runpy.run_path(str(SCRIPT))["whole_api"](Guard(OPERATE, READ))


@pytest.fixture(scope="module")
def document(whole):
    return orjson.loads(orjson.dumps(whole[OPENAPI].whole))


def operations(document):
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def test_it_is_a_valid_openapi_3_1_document(document):
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_what_is_no_openapi_document_would_be_found(document):
    broken = document | {"paths": {"/x": {"get": {"responses": {"200": {}}}}}}
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())


def test_every_route_is_in_it_and_every_operation_is_a_route(whole, document):
    routes = {
        (route.method, route.resource.canonical)
        for route in whole.router.routes()
        if route.method != "HEAD"
    }
    assert routes == operations(document).keys()


def test_each_has_a_name_of_its_own_a_summary_and_an_answer(document):
    found = operations(document).values()
    assert len({it["operationId"] for it in found}) == len(found)
    for operation in found:
        assert operation["summary"]
        assert any(status.startswith("2") for status in operation["responses"])


def test_only_what_says_nothing_of_the_deployment_is_for_everybody(document):
    open_to_all = {path for (_, path), it in operations(document).items() if "security" not in it}
    assert open_to_all == WITHOUT_SCOPE


def test_looking_needs_to_read_and_everything_else_to_operate(document):
    for (method, _), operation in operations(document).items():
        for scheme in operation.get("security", ()):
            assert list(scheme.values()) == [["read" if method == "GET" else "operate"]]


async def refusal(route, token):
    headers = {"Host": "127.0.0.1"} | ({"Authorization": f"Bearer {token}"} if token else {})
    with pytest.raises(Problem) as found:
        await route.handler(make_mocked_request(route.method, "/x", headers=headers))
    return found.value.status.value


async def test_every_route_is_guarded_as_the_document_says(whole):
    guarded = [route for route in whole[OPENAPI].documented if route.scope is not None]
    assert len(guarded) > 30
    own = [route for route in guarded if route.path not in ("/events", "/metrics")]
    for route in own:
        assert await refusal(route, None) == 401, route.path
        if route.scope is Scope.OPERATE:
            assert await refusal(route, READ) == 403, route.path


async def test_events_and_metrics_are_guarded_too(gateway_with):
    async with gateway_with(token=OPERATE, read_token=READ) as gateway:
        reading, nobody = {"Authorization": f"Bearer {READ}"}, {}
        for method, path, headers, expected in (
            ("GET", "/metrics", nobody, 401),
            ("GET", "/metrics", reading, 200),
            ("POST", "/events", nobody, 401),
            ("POST", "/events", reading, 403),
        ):
            status, _, _ = await gateway.request(method, path, headers=headers)
            assert status == expected, (method, path)


async def test_it_is_served_without_a_token(gateway_with):
    async with gateway_with(token=OPERATE) as gateway:
        status, served, _ = await gateway.request("GET", "/api/v1/openapi.json")
        assert status == 200
        assert "/healthz" in served["paths"]
        assert "/api/v1/bulk" not in served["paths"]  # it has no API


def test_patterns_of_paths_may_hold_braces():
    letter = "/letters/{letter:[0-9]{1,9}:[0-9]{1,18}}/{part}"
    expected = [("letter", "[0-9]{1,9}:[0-9]{1,18}"), ("part", "")]
    assert parse_path(letter) == ("/letters/{letter}/{part}", expected)


def test_a_route_is_told_with_its_words_types_and_refusals():
    async def handler(_):
        """Do it."""
        return web.Response()

    doc = Doc(name="doIt", tag="x", summary="Do it.", gives={HTTPStatus.OK: Answer(list[int])})
    (item,) = openapi([Route("GET", "/x", handler, None, doc)])["paths"].values()
    operation = item["get"]
    assert (operation["operationId"], operation["summary"]) == ("doIt", "Do it")
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"type": "array", "items": {"type": "integer"}}
