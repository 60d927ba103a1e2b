"""`GET /api/v1/reindexes`: how far the re-indexes are, those that run and those that ran."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.reindexing import ReindexRequest
from stepwell.streams.gateway.routing import Answer, Doc, Route, Routes, json_answer
from stepwell.streams.views import Receipt, ReindexStarted, ReindexView

LISTED_MAX = 25


@dataclass(frozen=True, slots=True)
class KnownReindex:
    """A re-index, when it was begun, and when it was heard of last."""

    view: ReindexView
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class ReindexList:
    """The newest re-indexes, newest first."""

    reindexes: tuple[KnownReindex, ...]


class ReindexDesk(Protocol):
    """Who knows of re-indexes."""

    async def recent(self, limit: int) -> list[KnownReindex]:
        """The newest first."""
        ...

    async def start(self, request: ReindexRequest) -> ReindexStarted:
        """Start one of a repository; raises `InvalidRequest`, `InstanceExists`."""
        ...

    async def stop(self, instance_id: str, reason: str) -> Receipt:
        """End it; what it has stored stays."""
        ...


class ReindexListApi:
    """The route."""

    def __init__(self, desk: ReindexDesk, guard: Guard) -> None:
        self._desk = desk
        self._routes = Routes(guard)

    def routes(self) -> list[Route]:
        """To be added to an application."""
        doc = Doc(name="listReindexes", tag="reindexes", gives={HTTPStatus.OK: Answer(ReindexList)})
        return [self._routes.read("/api/v1/reindexes", self.index, doc)]

    async def index(self, _: web.Request) -> web.Response:
        """The newest re-indexes, and how far they are."""
        found = ReindexList(tuple(await self._desk.recent(LISTED_MAX)))
        return json_answer(HTTPStatus.OK, found)
