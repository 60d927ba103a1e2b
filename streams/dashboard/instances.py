"""`/instances`: which there are, newest first, by filters that are all in the address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from aiohttp import web

from stepwell.streams.dashboard.said import Said
from stepwell.streams.dashboard.site import Clock, Site
from stepwell.streams.engine.state import Status
from stepwell.streams.errors import InvalidRequest
from stepwell.streams.gateway.asking import OTHERS, TEXTS, filters_of, limit_of, query_of
from stepwell.streams.gateway.reader import Reader
from stepwell.streams.lists import InstanceFilters, InstancePage, WorkflowView

ROWS, ROWS_MAX = 50, 100
LAST = {"15m": 900_000, "1h": 3_600_000, "1d": 86_400_000, "7d": 604_800_000, "30d": 2_592_000_000}
"""Time ranges that end now."""
KNOWN = TEXTS | OTHERS | {"last"}
NOTHING = InstancePage(())


@dataclass(frozen=True, slots=True)
class Chip:
    """A status that can be filtered by, and how many instances have it."""

    status: str
    count: int
    is_on: bool


class InstancesPage:
    """The list; it only reads."""

    def __init__(self, site: Site, reader: Reader, *, clock: Clock) -> None:
        self._site = site
        self._reader = reader
        self._clock = clock
        self._counted_at = ""
        self._counts: Sequence[WorkflowView] = ()

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application."""
        return [web.get("/instances", self._site.page(self.index))]

    async def index(self, request: web.Request) -> web.Response:
        """The list; filters that are wrong are said, and kept in the form."""
        asked: Mapping[str, Sequence[str]] = {}
        said = None
        try:
            asked = query_of(request, KNOWN)
            filters = self._filters(asked)
            limit = limit_of(asked, default=ROWS, most=ROWS_MAX)
            cursor = next(iter(asked.get("cursor", ())), None)
            page = await self._reader.page(filters, limit=limit, cursor=cursor)
        except InvalidRequest as error:
            said = Said("bad", "This filter cannot be used.", str(error.args[0]))
            asked = asked or {name: request.query.getall(name) for name in request.query}
            filters, page = InstanceFilters(), NOTHING
        workflows = await self._counted(page.place)
        shown = {name: values for name, values in asked.items() if any(values)}
        extra = {} if said is None else {"said": said}
        return self._site.render(
            request,
            "instances.html",
            status=HTTPStatus.OK if said is None else HTTPStatus.UNPROCESSABLE_ENTITY,
            page=page,
            workflows=workflows,
            chips=_chips(workflows, filters),
            total=sum(sum(it.counts.values()) for it in workflows),
            query=shown,
            is_filtered=bool(shown.keys() - {"limit", "cursor"}),
            is_wrong=said is not None,
            last=tuple(LAST),
            twin=_twin(shown, filters),
            **extra,
        )

    async def _counted(self, place: str) -> Sequence[WorkflowView]:
        """The workflows with their counts: counted once as long as nothing happens."""
        if not place or place != self._counted_at:
            self._counts = await self._reader.workflows()
            self._counted_at = place
        return self._counts

    def _filters(self, asked: Mapping[str, Sequence[str]]) -> InstanceFilters:
        """As the API has them; fields that are empty do not count, times without a zone are UTC."""
        given = {name: [it for it in values if it] for name, values in asked.items()}
        for name in ("created_from", "created_before"):
            given[name] = [_in_utc(it) for it in given.get(name, ())]
        last = given.pop("last", [])
        if last:
            if last[0] not in LAST:
                raise InvalidRequest(f"last: one of {', '.join(LAST)}")
            given["created_from"] = [str(self._clock() - LAST[last[0]])]
        return filters_of(given)


def _in_utc(text: str) -> str:
    is_without_zone = text[4:5] == "-" and "T" in text and len(text) in (16, 19)
    return f"{text}Z" if is_without_zone else text


def _chips(workflows: Sequence[WorkflowView], filters: InstanceFilters) -> list[Chip]:
    """Every status, with the counts of the workflow that was chosen or of all."""
    chosen = [it for it in workflows if filters.workflow in (None, it.name)]
    return [
        Chip(status, sum(it.counts.get(status, 0) for it in chosen), status in filters.statuses)
        for status in Status
    ]


def _twin(shown: Mapping[str, Sequence[str]], filters: InstanceFilters) -> str:
    """The same list for programs."""
    query = {name: list(values) for name, values in shown.items() if name != "last"}
    for name in ("created_from", "created_before"):
        query.pop(name, None)
        at_ms = getattr(filters, f"{name}_ms")
        if at_ms is not None:
            query[name] = [str(at_ms)]
    return "/api/v1/instances" + ("?" + urlencode(query, doseq=True) if query else "")
