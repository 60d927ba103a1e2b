"""`/api/v1/openapi.json`: the OpenAPI 3.1 document, made of the routes and the types they name.

Without a token, as the contract of the events: it says nothing of what there is.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Literal, get_args, get_type_hints

import orjson
from aiohttp import web
from pydantic import ConfigDict, TypeAdapter, with_config

from stepwell.schemas.events import Json
from stepwell.streams.engine.limits import STEP_NAME_LENGTH_MAX, WORKFLOW_NAME_LENGTH_MAX
from stepwell.streams.engine.names import IDENTIFIER
from stepwell.streams.gateway.guards import SESSION_COOKIE
from stepwell.streams.gateway.problems import MEDIA_TYPE
from stepwell.streams.gateway.requests import ADDRESS, ADDRESS_LENGTH_MAX
from stepwell.streams.gateway.routing import Answer, Doc, Parameter, Route, Taken, open_to_all

Schema = dict[str, Json]

_Mode = Literal["serialization", "validation"]
"""Whether something is answered or taken."""

API_VERSION = "1.0.0"
_SCHEMAS = "#/components/schemas/{model}"
_DOCUMENT = Doc(
    name="showOpenApi",
    tag="contract",
    gives={HTTPStatus.OK: Answer({"type": "object"})},
)
_GUARDED = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_WITH_BODY = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_IN_PATH = {
    "workflow": "The name of the workflow.",
    "id": f"The id, of at most {ADDRESS_LENGTH_MAX} characters; `latest` is the newest instance.",
    "letter": "`partition:offset` in the topic of dead letters.",
    "name": "The name of the schema.",
    "step": "The name of the step.",
    "replay": "The id of the replay.",
    "key": "The key of the document, percent-encoded.",
    "source": "The source of the webhook.",
}
_PATTERNS: dict[str, Schema] = {
    "workflow": {"pattern": f"^{IDENTIFIER}$", "maxLength": WORKFLOW_NAME_LENGTH_MAX},
    "id": {"pattern": f"^{ADDRESS}$", "maxLength": ADDRESS_LENGTH_MAX},
    "step": {"maxLength": STEP_NAME_LENGTH_MAX},
}
"""What those are that the handlers look at themselves: their refusals have codes."""
_PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457: why a request was refused.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"const": "about:blank"},
        "title": {"type": "string", "description": "The phrase of the status."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong, and what to do."},
        "code": {"type": "string", "description": "For programs; Cloudflare Workflows' words."},
    },
}
_SECURITY: Schema = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "gateway.token may do everything, gateway.read_token may look.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "Of the dashboard; what changes something needs an Origin too.",
    },
}


class OpenApi:
    """The route; the document is made when it is first asked for."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._own = open_to_all("/api/v1/openapi.json", self.document, _DOCUMENT)
        self.documented = [*routes, self._own]

    def routes(self) -> list[Route]:
        """To be added to an application."""
        return [self._own]

    async def document(self, _: web.Request) -> web.Response:
        """This document."""
        return web.Response(body=self._encoded, content_type="application/json")

    @property
    def whole(self) -> Schema:
        """The document as a value."""
        return openapi(self.documented)

    @cached_property
    def _encoded(self) -> bytes:
        return orjson.dumps(self.whole)


def openapi(routes: Sequence[Route]) -> Schema:
    """The document of these routes."""
    types = _Types(routes)
    paths: dict[str, Schema] = {}
    for route in routes:
        path, parameters = parse_path(route.path)
        operation = _operation(route, parameters, types)
        paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stepwell",
            "version": API_VERSION,
            "description": (
                "Durable workflows: start instances, look at them, tell them things. Within a "
                "version, answers only gain members: readers take unknown ones. Unknown members "
                "and parameters of requests are refused."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.doc.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": types.definitions | {"Problem": _PROBLEM},
            "responses": {status.name: _refusal(status) for status in _refusals(routes)},
            "securitySchemes": _SECURITY,
        },
    }


def parse_path(path: str) -> tuple[str, list[tuple[str, str]]]:
    """A path of aiohttp without patterns, and its parameters with theirs (or nothing)."""
    plain, parameters, rest = "", [], path
    while rest:
        before, brace, rest = rest.partition("{")
        plain += before
        if brace:
            end = _closing(rest)
            name, _, pattern = rest[:end].partition(":")
            parameters.append((name, pattern))
            plain += f"{{{name}}}"
            rest = rest[end + 1 :]
    return plain, parameters


def _closing(text: str) -> int:
    """Where the brace closes that was opened before this text."""
    depth = 1
    for found in re.finditer(r"[{}]", text):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return found.start()
    raise ValueError(text)


class _Types:
    """JSON Schemas of all types that the routes name."""

    def __init__(self, routes: Iterable[Route]) -> None:
        asked: list[tuple[Json, _Mode]] = [(it, "serialization") for it in _answered(routes)]
        asked += [(it, "validation") for it in _taken(routes)]
        adapters: dict[str, tuple[str, _Mode, TypeAdapter[Json]]] = {}
        for shape, mode in asked:
            for record in _records(shape, set()):
                _with_docstrings(record)
            adapters[_name(shape, mode)] = (_name(shape, mode), mode, TypeAdapter(shape))
        found, defined = TypeAdapter.json_schemas(adapters.values(), ref_template=_SCHEMAS)
        self._found = {key: schema for (key, _), schema in found.items()}
        self.definitions: Schema = defined.get("$defs", {})

    def of(self, shape: object, mode: _Mode) -> Schema:
        """The schema of a type, which refers to `definitions`; of a schema itself."""
        return shape if isinstance(shape, dict) else self._found[_name(shape, mode)]


def _name(shape: object, mode: _Mode) -> str:
    return f"{shape!r} {mode}"


def _answered(routes: Iterable[Route]) -> Iterator[Json]:
    for route in routes:
        shapes = (answer.shape for answer in route.doc.gives.values())
        yield from (it for it in shapes if it is not None and not isinstance(it, dict))


def _taken(routes: Iterable[Route]) -> Iterator[Json]:
    for route in routes:
        shapes = route.doc.takes.shapes.values() if route.doc.takes else ()
        yield from (it for it in shapes if it is not None and not isinstance(it, dict))


def _records(shape: Json, seen: set[type]) -> Iterator[type]:
    """The dataclasses that a type is made of."""
    for part in get_args(shape):
        yield from _records(part, seen)
    if not (isinstance(shape, type) and dataclasses.is_dataclass(shape)) or shape in seen:
        return
    seen.add(shape)
    yield shape
    for part in get_type_hints(shape).values():
        yield from _records(part, seen)


def _with_docstrings(record: type) -> None:
    """What stands below a field describes it."""
    known: ConfigDict = getattr(record, "__pydantic_config__", ConfigDict())
    with_config(ConfigDict(**known | {"use_attribute_docstrings": True}))(record)


def _operation(route: Route, in_path: list[tuple[str, str]], types: _Types) -> Schema:
    doc = route.doc
    found: Schema = {
        "operationId": doc.name,
        "tags": [doc.tag],
        "summary": doc.summary.removesuffix("."),
        "description": doc.about,
        "parameters": [
            *(_path_parameter(name, pattern) for name, pattern in in_path),
            *(_parameter(it) for it in doc.query),
        ],
        "requestBody": _body(doc.takes, types) if doc.takes else None,
        "responses": {
            **{str(int(status)): _answer(it, status, types) for status, it in doc.gives.items()},
            **{
                str(int(status)): {"$ref": f"#/components/responses/{status.name}"}
                for status in sorted(_refused(route, in_path))
            },
        },
    }
    if route.scope is not None:
        found["security"] = [{scheme: [route.scope.value]} for scheme in _SECURITY]
    return {key: value for key, value in found.items() if value not in ("", [], None)}


def _path_parameter(name: str, pattern: str) -> Schema:
    schema: Schema = {"type": "string", "minLength": 1} | _PATTERNS.get(name, {})
    if pattern:
        schema["pattern"] = f"^{pattern}$"
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": _IN_PATH[name],
        "schema": schema,
    }


def _parameter(given: Parameter) -> Schema:
    return {
        "name": given.name,
        "in": given.place,
        "required": given.required,
        "description": given.about,
        "schema": dict(given.schema),
    }


def _body(taken: Taken, types: _Types) -> Schema:
    content = {
        media: {} if shape is None else {"schema": types.of(shape, "validation")}
        for media, shape in taken.shapes.items()
    }
    return {"content": content, "required": taken.required}


def _answer(answer: Answer, status: HTTPStatus, types: _Types) -> Schema:
    shape = answer.shape
    schema = {} if shape is None else {"schema": types.of(shape, "serialization")}
    headers = {
        name: {"description": about, "schema": {"type": "string"}}
        for name, about in answer.headers.items()
    }
    found = {"description": status.phrase, "content": {answer.media: schema}}
    return found | {"headers": headers} if headers else found


def _refused(route: Route, in_path: Sequence[object]) -> set[HTTPStatus]:
    found = {HTTPStatus.BAD_REQUEST, *route.doc.refuses}
    if route.scope is not None:
        found.update(_GUARDED)
    if route.doc.takes is not None:
        found.update(_WITH_BODY)
    if in_path:
        found.add(HTTPStatus.NOT_FOUND)
    return found - set(route.doc.gives)


def _refusals(routes: Iterable[Route]) -> list[HTTPStatus]:
    """Every status with which something is refused."""
    return sorted({it for route in routes for it in _refused(route, parse_path(route.path)[1])})


def _refusal(status: HTTPStatus) -> Schema:
    content: Schema = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    if status is HTTPStatus.BAD_REQUEST:
        about = "What is not HTTP, or has a line or a header that is too long."
        content["text/plain"] = {"schema": {"type": "string", "description": about}}
    return {"description": status.phrase, "content": content}
