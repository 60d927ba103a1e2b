"""`/schemas` and `/asyncapi.json`: what producers and consumers of events need to know.

Without a token: it is what the source code says, with the names of topics, and tools that resolve
schemas or generate code have no token to give.
"""

from http import HTTPStatus

import orjson
from aiohttp import web

from stepwell.schemas.asyncapi import asyncapi
from stepwell.schemas.json_schemas import json_schemas
from stepwell.schemas.topics import Topics
from stepwell.streams.gateway.problems import Problem, Reason
from stepwell.streams.gateway.routing import Answer, Doc, Route, open_to_all

SCHEMA_TYPE = "application/schema+json"
ASYNCAPI_TYPE = "application/vnd.aai.asyncapi+json"


class Contract:
    """The routes."""

    def __init__(self, topics: Topics) -> None:
        self._asyncapi = orjson.dumps(asyncapi(topics))
        self._schemas = json_schemas()

    def routes(self) -> list[Route]:
        """To be added to an application."""
        names = {"type": "object", "required": ["schemas"]}
        listed = Doc(name="listSchemas", tag="contract", gives={HTTPStatus.OK: Answer(names)})
        shown = Doc(
            name="showSchema",
            tag="contract",
            gives={HTTPStatus.OK: Answer({"type": "object"}, SCHEMA_TYPE)},
            refuses=(HTTPStatus.NOT_FOUND,),
        )
        document = Doc(
            name="showAsyncApi",
            tag="contract",
            gives={HTTPStatus.OK: Answer({"type": "object"}, ASYNCAPI_TYPE)},
        )
        return [
            open_to_all("/schemas", self.names, listed),
            open_to_all("/schemas/{name:[a-z0-9-]+}", self.schema, shown),
            open_to_all("/asyncapi.json", self.document, document),
        ]

    async def names(self, _: web.Request) -> web.Response:
        """Every schema: its identity, what it is about, and where it is."""
        found = {
            name: {
                "id": schema["$id"],
                "description": schema["description"],
                "url": f"/schemas/{name}",
            }
            for name, schema in self._schemas.items()
        }
        return web.json_response({"schemas": found})

    async def schema(self, request: web.Request) -> web.Response:
        """One JSON Schema."""
        schema = self._schemas.get(request.match_info["name"])
        if schema is None:
            raise Problem(HTTPStatus.NOT_FOUND, Reason.ROUTE, "GET /schemas lists the schemas.")
        return web.Response(body=orjson.dumps(schema), content_type=SCHEMA_TYPE)

    async def document(self, _: web.Request) -> web.Response:
        """The AsyncAPI document, with the topics of this deployment."""
        return web.Response(body=self._asyncapi, content_type=ASYNCAPI_TYPE)
