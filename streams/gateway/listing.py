"""`/api/v1`: lists of instances and workflows, and a stream of what happens to them."""

import asyncio
from dataclasses import asdict, dataclass
from http import HTTPStatus

import orjson
from aiohttp import web

from stepwell.streams.gateway.api import INSTANCES
from stepwell.streams.gateway.asking import (
    OTHERS,
    QUERY,
    TEXTS,
    filters_of,
    limit_of,
    query_of,
)
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.reader import Reader
from stepwell.streams.gateway.routing import Answer, Doc, Parameter, Route, Routes, json_answer
from stepwell.streams.lists import InstancePage, News, WorkflowView

PAGE_DEFAULT, PAGE_MAX = 50, 500
HEARTBEAT_MS = 15_000
"""A stream in which nothing happens says so, so that proxies keep it open."""
EVENTS = Answer(media="text/event-stream")
STREAM = (
    Parameter("since", "The id of an event, or the `place` of a list."),
    Parameter("Last-Event-ID", "The same, as browsers send it.", place="header"),
)


@dataclass(frozen=True, slots=True)
class WorkflowList:
    """The workflows that have instances."""

    workflows: tuple[WorkflowView, ...]


class Listing:
    """The routes; they only read."""

    def __init__(self, reader: Reader, guard: Guard, *, heartbeat_ms: int = HEARTBEAT_MS) -> None:
        self._reader = reader
        self._routes = Routes(guard)
        self._heartbeat_ms = heartbeat_ms
        self._stopped = asyncio.Event()

    def routes(self) -> list[Route]:
        """To be added to an application, whose shutdown `stop` should be told of."""
        page = {HTTPStatus.OK: Answer(InstancePage)}
        wrong = (HTTPStatus.UNPROCESSABLE_ENTITY,)
        every = Doc(name="listInstances", tag="instances", query=QUERY, gives=page, refuses=wrong)
        some = Doc(
            name="listInstancesOfWorkflow",
            tag="instances",
            query=tuple(it for it in QUERY if it.name != "workflow"),
            gives=page,
            refuses=wrong,
        )
        workflows = Doc(
            name="listWorkflows",
            tag="workflows",
            gives={HTTPStatus.OK: Answer(WorkflowList)},
            refuses=wrong,
        )
        stream = Doc(
            name="streamChanges", tag="instances", query=STREAM, gives={HTTPStatus.OK: EVENTS}
        )
        return [
            self._routes.read("/api/v1/instances", self.instances, every),
            self._routes.read(INSTANCES, self.instances, some),
            self._routes.read("/api/v1/workflows", self.workflows, workflows),
            self._routes.read("/api/v1/stream", self.stream, stream),
        ]

    async def stop(self, _: web.Application) -> None:
        """End the streams: they would hold up the end of the server."""
        self._stopped.set()

    async def instances(self, request: web.Request) -> web.Response:
        """Instances, newest first: those that the query asks for, a page at a time."""
        asked = query_of(request, TEXTS | OTHERS)
        limit = limit_of(asked, default=PAGE_DEFAULT, most=PAGE_MAX)
        filters = filters_of(asked)
        cursor = next(iter(asked.get("cursor", ())), None)
        page = await self._reader.page(filters, limit=limit, cursor=cursor)
        return json_answer(HTTPStatus.OK, page)

    async def workflows(self, request: web.Request) -> web.Response:
        """The workflows that have instances, with how many are in which status."""
        query_of(request, frozenset())
        return json_answer(HTTPStatus.OK, WorkflowList(tuple(await self._reader.workflows())))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """What happens to instances, as server-sent events.

        `Last-Event-ID`, or `since` for those who cannot send it, is the id of an event or the
        `place` of a list: what happened later is told first. After `reset` too much has happened
        since: lists must be read again.
        """
        place = request.headers.get("Last-Event-ID") or request.query.get("since")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        news = self._reader.news(place)
        following = asyncio.ensure_future(anext(news))
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            await response.prepare(request)
            await response.write(b": hello\n\n")
            while not stopped.done():
                timeout_s = self._heartbeat_ms / 1000
                await asyncio.wait(
                    {following, stopped}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
                )
                if following.done():
                    await response.write(event_of(following.result()))
                    following = asyncio.ensure_future(anext(news))
                elif not stopped.done():
                    await response.write(b": still here\n\n")
        except ConnectionResetError:
            pass  # whoever listened has gone
        finally:
            stopped.cancel()
            following.cancel()
            await asyncio.wait([following])
            await news.aclose()
        return response


def event_of(news: News) -> bytes:
    """One or more server-sent events; only the last has an id, so that all come again or none."""
    if news.changes is None:
        return f"event: reset\nid: {news.place}\ndata: {{}}\n\n".encode()
    events = [b"event: instance\ndata: %b\n" % orjson.dumps(asdict(it)) for it in news.changes]
    return b"\n".join(events) + f"id: {news.place}\n\n".encode()
