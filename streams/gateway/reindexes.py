"""`POST /api/v1/reindexes`: embed documents again, those of GitHub or those that are sent.

With `application/json` the body says what is asked for: `{"source": "github:acme/site"}`. With
`application/jsonl` or `application/x-ndjson` the body is the documents, one in a line, and the
query says the rest: `?source=handbook&prune=true`. Nobody can name a file of this machine.
"""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

import structlog
from aiohttp import ClientPayloadError, web
from pydantic import TypeAdapter, ValidationError

from stepwell.streams.gateway.api import INSTANCE
from stepwell.streams.gateway.api_bodies import invalid, parse
from stepwell.streams.gateway.bodies import read_body
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.problems import Problem, Reason
from stepwell.streams.gateway.reindexing import ReindexRequest, StartReindex
from stepwell.streams.gateway.routing import (
    JSON,
    Answer,
    Doc,
    Parameter,
    Route,
    Routes,
    Taken,
    json_answer,
)
from stepwell.streams.views import ReindexStarted

log = structlog.get_logger(__name__)

LINES = ("application/jsonl", "application/x-ndjson")
REQUEST_BYTES_MAX = 64 * 1024
BODY_TIMEOUT_MS = 10_000
CHUNK_BYTES = 256 * 1024
CHUNK_TIMEOUT_MS = 30_000
UNNAMED = "upload"
_REQUEST = TypeAdapter(ReindexRequest)
_OF_LINES = "Where the body is documents: "
QUERY = (
    Parameter("source", f"{_OF_LINES}what to call them.", {"type": "string", "maxLength": 300}),
    Parameter("id", f"{_OF_LINES}the id of the re-index."),
    Parameter("into", f"{_OF_LINES}the collection."),
    Parameter("rate", f"{_OF_LINES}so many a second.", {"type": "number", "exclusiveMinimum": 0}),
    Parameter("prune", f"{_OF_LINES}whether to remove what is not there.", {"type": "boolean"}),
)


class ReindexApi:
    """The route. How far a re-index is, its instance tells, as any other."""

    def __init__(self, start: StartReindex, guard: Guard, *, max_upload_bytes: int) -> None:
        self._start = start
        self._routes = Routes(guard)
        self._max_upload_bytes = max_upload_bytes

    def routes(self) -> list[Route]:
        """To be added to an application."""
        started = Answer(ReindexStarted, headers={"Location": "Its instance."})
        doc = Doc(
            name="startReindex",
            tag="reindexes",
            takes=Taken({JSON: ReindexRequest, **dict.fromkeys(LINES)}, required=True),
            query=QUERY,
            gives={HTTPStatus.CREATED: started, HTTPStatus.OK: started},
            refuses=(HTTPStatus.CONFLICT,),
        )
        return [self._routes.operate("POST", "/api/v1/reindexes", self.create, doc)]

    async def create(self, request: web.Request) -> web.Response:
        """Start one: 201; 200 when it was started before, under the same id."""
        if request.content_type in LINES:
            started = await self._start(_of_query(request), self._upload(request))
        elif request.content_type == JSON:
            raw = await read_body(request, max_bytes=REQUEST_BYTES_MAX, timeout_ms=BODY_TIMEOUT_MS)
            started = await self._start(parse(_REQUEST, raw))
        else:
            detail = f"Send {JSON} or {LINES[0]}, and say which in Content-Type."
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Reason.MEDIA_TYPE, detail, close=True)
        log.info("reindex started", instance=started.instance_id, documents=started.documents)
        location = INSTANCE.format(workflow="reindex", id=started.instance_id)
        status = HTTPStatus.OK if started.existed else HTTPStatus.CREATED
        return json_answer(status, started, {"Location": location})

    async def _upload(self, request: web.Request) -> AsyncIterator[bytes]:
        """The body as it comes, within a size; no part of it may take long."""
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            detail = "Encoded bodies are not taken; send it without Content-Encoding."
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Reason.ENCODING, detail, close=True)
        taken = 0
        while not request.content.at_eof():
            try:
                async with asyncio.timeout(CHUNK_TIMEOUT_MS / 1000):
                    chunk = await request.content.readany()
            except TimeoutError:
                detail = f"Nothing arrived within {CHUNK_TIMEOUT_MS} ms."
                raise Problem(
                    HTTPStatus.REQUEST_TIMEOUT, Reason.TIMEOUT, detail, close=True
                ) from None
            except (ClientPayloadError, web.RequestPayloadError):
                detail = "The body ended early or its framing is broken."
                raise Problem(HTTPStatus.BAD_REQUEST, Reason.ENCODING, detail, close=True) from None
            taken += len(chunk)
            if taken > self._max_upload_bytes:
                detail = f"At most {self._max_upload_bytes} bytes are taken."
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Reason.SIZE, detail, close=True)
            yield chunk


def _of_query(request: web.Request) -> ReindexRequest:
    try:
        return _REQUEST.validate_strings({"source": UNNAMED} | dict(request.query))
    except ValidationError as error:
        raise invalid(error) from None
