"""`GET /api/v1/workflows/{workflow}`: the steps of a workflow, from its source and as they went."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from http import HTTPStatus

from aiohttp import web

from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.problems import Problem
from stepwell.streams.gateway.routing import Answer, Doc, Route, Routes, json_answer
from stepwell.streams.graphs.catalogue import Catalogue
from stepwell.streams.graphs.model import Graph
from stepwell.streams.graphs.plain import plain_graph
from stepwell.streams.lists import WorkflowStatistics, WorkflowView

NOT_FOUND = "workflow.not_found"


@dataclass(frozen=True, slots=True)
class WorkflowKnown:
    """A workflow: how it goes, and its graph if there is source."""

    statistics: WorkflowStatistics
    graph: Graph | None
    problem: str = ""
    """Why there is no graph."""


@dataclass(frozen=True, slots=True)
class Workflows:
    """What there is to know of workflows: those that have instances, and those in the source."""

    listed: Callable[[], Awaitable[list[WorkflowView]]]
    statistics: Callable[[str], Awaitable[WorkflowStatistics]]
    catalogue: Catalogue

    async def all(self) -> tuple[dict[str, WorkflowView], dict[str, Graph], str]:
        """Those with instances, those with source, and why some of these may be missing."""
        listed = {it.name: it for it in await self.listed()}
        found = await asyncio.to_thread(self.catalogue.found)
        return listed, found.graphs, found.problem

    async def get(self, name: str) -> WorkflowKnown:
        """One of them; raises `Problem` when nothing is known of it."""
        statistics = await self.statistics(name)
        found = await asyncio.to_thread(self.catalogue.found)
        graph = found.graphs.get(name)
        if graph is None and not statistics.counts:
            detail = f"there is no workflow {name}, and no instance of it"
            raise Problem(HTTPStatus.NOT_FOUND, NOT_FOUND, detail, code=NOT_FOUND)
        problem = "" if graph else found.problem or _ABSENT
        return WorkflowKnown(statistics, graph, problem)


_ABSENT = "no class of this name is in the source of worker.workflows"


@dataclass(frozen=True, slots=True)
class WorkflowAnswer:
    """How a workflow goes, and its steps as its source has them."""

    statistics: WorkflowStatistics
    graph: dict[str, object] | None
    problem: str


class WorkflowApi:
    """The route."""

    def __init__(self, workflows: Workflows, guard: Guard) -> None:
        self._workflows = workflows
        self._routes = Routes(guard)

    def routes(self) -> list[Route]:
        """To be added to an application."""
        doc = Doc(
            name="getWorkflow",
            tag="workflows",
            gives={HTTPStatus.OK: Answer(WorkflowAnswer)},
            refuses=(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
        )
        return [self._routes.read("/api/v1/workflows/{workflow}", self.show, doc)]

    async def show(self, request: web.Request) -> web.Response:
        """A workflow: its instances by status, its steps with their durations, and its graph."""
        known = await self._workflows.get(request.match_info["workflow"])
        graph = plain_graph(known.graph) if known.graph else None
        return json_answer(
            HTTPStatus.OK,
            {"statistics": asdict(known.statistics), "graph": graph, "problem": known.problem},
        )
