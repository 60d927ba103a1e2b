"""`/api/v1`: lists of instances and workflows, and a stream of what happens to them."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus

import orjson
from aiohttp import web

from stepwell.streams.engine.state import Status
from stepwell.streams.errors import InvalidRequest
from stepwell.streams.gateway.api import INSTANCES, guarded, json_answer
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.reader import Reader
from stepwell.streams.lists import InstanceFilters, News

PAGE_DEFAULT, PAGE_MAX = 50, 500
TEXT_LENGTH_MAX = 1000
NUMBER_LENGTH_MAX = 15
HEARTBEAT_MS = 15_000
"""A stream in which nothing happens says so, so that proxies keep it open."""
_TEXTS = frozenset({"workflow", "status", "id_prefix", "subject", "text", "cursor"})
_OTHERS = frozenset({"created_from", "created_before", "limit"})


class Listing:
    """The routes; they only read."""

    def __init__(self, reader: Reader, guard: Guard, *, heartbeat_ms: int = HEARTBEAT_MS) -> None:
        self._reader = reader
        self._guard = guard
        self._heartbeat_ms = heartbeat_ms
        self._stopped = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application, whose shutdown `stop` should be told of."""
        return [
            web.get("/api/v1/instances", guarded(self._guard, self.instances)),
            web.get(INSTANCES, guarded(self._guard, self.instances)),
            web.get("/api/v1/workflows", guarded(self._guard, self.workflows)),
            web.get("/api/v1/stream", guarded(self._guard, self.stream)),
        ]

    async def stop(self, _: web.Application) -> None:
        """End the streams: they would hold up the end of the server."""
        self._stopped.set()

    async def instances(self, request: web.Request) -> web.Response:
        """Instances, newest first: those that the query asks for, a page at a time."""
        asked = _query(request)
        limit = _number(asked, "limit")
        if limit is None:
            limit = PAGE_DEFAULT
        if not 1 <= limit <= PAGE_MAX:
            raise InvalidRequest(f"limit: 1 to {PAGE_MAX}")
        page = await self._reader.page(_filters(asked), limit=limit, cursor=asked.get("cursor"))
        return json_answer(HTTPStatus.OK, page)

    async def workflows(self, request: web.Request) -> web.Response:
        """The workflows that have instances, with how many are in which status."""
        if request.query:
            raise InvalidRequest(f"{_shown(next(iter(request.query)))}: there is no such parameter")
        return json_answer(HTTPStatus.OK, {"workflows": await self._reader.workflows()})

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


def _query(request: web.Request) -> dict[str, str]:
    """The parameters; raises `InvalidRequest` for those that are unknown, doubled or too long."""
    workflow = request.match_info.get("workflow")
    asked = {} if workflow is None else {"workflow": workflow}
    for name, value in request.query.items():
        if name not in _TEXTS | _OTHERS:
            raise InvalidRequest(f"{_shown(name)}: there is no such parameter")
        if name in asked:
            raise InvalidRequest(f"{name}: is there twice")
        if len(value) > TEXT_LENGTH_MAX:
            raise InvalidRequest(f"{name}: at most {TEXT_LENGTH_MAX} characters")
        asked[name] = value
    return asked


def _filters(asked: dict[str, str]) -> InstanceFilters:
    status = asked.get("status")
    if status is not None and status not in list(Status):
        raise InvalidRequest(f"status: one of {', '.join(Status)}")
    return InstanceFilters(
        workflow=asked.get("workflow"),
        status=status,
        created_from_ms=_time(asked, "created_from"),
        created_before_ms=_time(asked, "created_before"),
        id_prefix=asked.get("id_prefix"),
        subject=asked.get("subject"),
        text=asked.get("text"),
    )


def _number(asked: dict[str, str], name: str) -> int | None:
    text = asked.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and 0 < len(text) <= NUMBER_LENGTH_MAX):
        raise InvalidRequest(f"{name}: a whole number of at most {NUMBER_LENGTH_MAX} digits")
    return int(text)


def _time(asked: dict[str, str], name: str) -> int | None:
    text = asked.get(name, "")
    if not text or text.isdecimal():
        return _number(asked, name)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidRequest(f"{name}: milliseconds, or a time like 2026-11-21T22:00:00Z")
    return int(at.timestamp() * 1000)


def _shown(name: str) -> str:
    return name[:80]
