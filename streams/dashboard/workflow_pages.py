"""`/workflows`: which there are, and the steps of each: from its source, and as they went.

An operator starts an instance there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Protocol

import orjson
from aiohttp import web

from stepwell.schemas.events import Json
from stepwell.streams.dashboard.said import Said, said_before, tell
from stepwell.streams.dashboard.site import Site, fields, redirect
from stepwell.streams.dashboard.steps import Matching
from stepwell.streams.dashboard.texts import segment
from stepwell.streams.errors import InstanceError, InvalidRequest
from stepwell.streams.gateway.api_bodies import CREATION, Creation, parse
from stepwell.streams.gateway.problems import Problem
from stepwell.streams.gateway.workflows import Workflows
from stepwell.streams.graphs.layout import draw
from stepwell.streams.graphs.model import Graph, Source
from stepwell.streams.lists import WorkflowView
from stepwell.streams.views import Receipt

HIDDEN = frozenset({"stepwell-schedule"})
"""Ours, and of no interest as long as nothing runs in it."""

DRAWN_MAX, LISTED_MAX = 70, 200
"""Graphs with more places are a list, or for programs only: pages are to stay small."""
LINES_MAX, ROWS_MAX, MISSING_MAX = 400, 100, 30


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    """A workflow in the list."""

    name: str
    counts: Mapping[str, int]
    about: str
    triggers: tuple[str, ...]
    has_source: bool

    @property
    def total(self) -> int:
        """How many instances it has."""
        return sum(self.counts.values())


class Create(Protocol):
    """Starts an instance; `gateway.control.Control.create` does."""

    async def __call__(
        self, workflow: str, params: Json = None, *, instance_id: str | None = None
    ) -> Receipt:
        """Raises `InstanceExists` when the id is taken."""
        ...


class WorkflowPages:
    """The pages."""

    def __init__(self, site: Site, workflows: Workflows, create: Create) -> None:
        self._site = site
        self._workflows = workflows
        self._create = create

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application."""
        return [
            web.get("/workflows", self._site.page(self.index)),
            web.get("/workflows/{workflow}", self._site.page(self.show)),
            web.post("/workflows/{workflow}/instances", self._site.page(self.start)),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """Those that have instances, and those that are in the source."""
        listed, graphs, problem = await self._workflows.all()
        names = sorted(listed.keys() | (graphs.keys() - HIDDEN))
        rows = [_row(name, listed.get(name), graphs.get(name)) for name in names]
        return self._site.render(
            request, "workflows.html", rows=rows, problem=problem, twin="/api/v1/workflows"
        )

    async def show(self, request: web.Request) -> web.Response:
        """One: its graph, its steps, its source."""
        return await self._shown(request, said_before(request), {})

    async def start(self, request: web.Request) -> web.Response:
        """Start an instance, and go to its page."""
        given, name = await fields(request), request.match_info["workflow"]
        try:
            body = _creation(given)
            receipt = await self._create(name, body.params, instance_id=body.id)
        except (InstanceError, Problem) as error:
            why = error.detail if isinstance(error, Problem) else str(error.args[0])
            return await self._shown(request, Said("bad", "Not started.", why), given, status=422)
        response = redirect(f"/instances/{segment(name)}/{segment(receipt.instance_id)}")
        tell(response, Said("good", "Started.", f"Instance {receipt.instance_id}."))
        return response

    async def _shown(
        self,
        request: web.Request,
        said: Said | None,
        given: Mapping[str, str],
        *,
        status: int = HTTPStatus.OK,
    ) -> web.Response:
        name = request.match_info["workflow"]
        known = await self._workflows.get(name)
        matching = Matching(known.graph, known.statistics.steps)
        places = len(tuple(known.graph.walk())) if known.graph else 0
        is_drawn = known.graph is not None and places <= DRAWN_MAX
        return self._site.render(
            request,
            "workflow.html",
            status=status,
            said=said,
            given=given,
            name=name,
            known=known,
            statistics=known.statistics,
            graph=known.graph,
            drawing=draw(known.graph, matching.notes) if known.graph and is_drawn else None,
            is_listed=places <= LISTED_MAX,
            sources=_shown(known.graph.sources) if known.graph else (),
            matching=matching,
            rows_max=ROWS_MAX,
            missing_max=MISSING_MAX,
            twin=f"/api/v1/workflows/{segment(name)}",
        )


def _creation(given: Mapping[str, str]) -> Creation:
    """What the form asks for; raises `InvalidRequest`, `Problem`."""
    text, body = given.get("params", "").strip(), dict[str, object]()
    try:
        body["params"] = orjson.loads(text) if text else None
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"params: not JSON: {error}") from None
    if instance_id := given.get("id", "").strip():
        body["id"] = instance_id
    return parse(CREATION, orjson.dumps(body))


def _row(name: str, view: WorkflowView | None, graph: Graph | None) -> WorkflowRow:
    about = graph.about.partition("\n")[0] if graph else ""
    counts = view.counts if view else {}
    return WorkflowRow(name, counts, about, graph.triggers if graph else (), graph is not None)


def _shown(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    """The first lines of all; the rest is where the source is."""
    found, left = [], LINES_MAX
    for source in sources:
        if left > 0:
            found.append(replace(source, lines=source.lines[:left]))
            left -= len(source.lines)
    return tuple(found)
