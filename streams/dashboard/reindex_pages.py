"""`/reindexes`: those that run and those that ran, with how far they are; one may be started."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from stepwell.streams.dashboard.progress import Progress
from stepwell.streams.dashboard.said import Said, said_before, tell
from stepwell.streams.dashboard.site import Clock, Site, fields, redirect
from stepwell.streams.errors import InstanceError, InvalidRequest
from stepwell.streams.gateway.api_bodies import invalid
from stepwell.streams.gateway.reindex_list import KnownReindex, ReindexDesk
from stepwell.streams.gateway.reindexing import ReindexRequest
from stepwell.streams.views import AT_REST

SHOWN_MAX = 25
REASON_LENGTH_MAX = 1000
POLL_MS = 2_000
TWIN = "/api/v1/reindexes"
_REQUEST = TypeAdapter(ReindexRequest)


@dataclass(frozen=True, slots=True)
class ReindexRow:
    """A re-index on the page."""

    known: KnownReindex
    progress: Progress
    is_over: bool

    @classmethod
    def of(cls, known: KnownReindex, now_ms: int) -> "ReindexRow":
        """At this time."""
        view = known.view
        is_over = view.status in AT_REST
        until_ms = known.updated_ms if is_over else now_ms
        elapsed_ms = until_ms - known.created_ms
        progress = Progress(view.done, view.documents, elapsed_ms, view.status == "complete")
        return cls(known, progress, is_over)


class ReindexPages:
    """The page and its forms."""

    def __init__(self, site: Site, desk: ReindexDesk, *, clock: Clock) -> None:
        self._site = site
        self._desk = desk
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application."""
        return [
            web.get("/reindexes", self._site.page(self.index)),
            web.post("/reindexes", self._site.page(self.start)),
            web.post("/reindexes/{id}/stop", self._site.page(self.stop)),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """Those that run, then those that ran."""
        return await self._shown(request, said_before(request), {})

    async def start(self, request: web.Request) -> web.Response:
        """Start one, of a repository."""
        given = await fields(request)
        try:
            started = await self._desk.start(_request(given))
        except InstanceError as error:
            said = Said("bad", "Not started.", str(error.args[0]))
            return await self._shown(request, said, given, status=422)
        response = redirect("/reindexes")
        title = "It was started before." if started.existed else "Started."
        tell(response, Said("good", title, f"Re-index {started.instance_id} of {started.source}."))
        return response

    async def stop(self, request: web.Request) -> web.Response:
        """End one."""
        given = await fields(request)
        name = request.match_info["id"]
        reason = given.get("reason", "").strip()[:REASON_LENGTH_MAX]
        if given.get("confirm") != name:
            said = Said("bad", "Not stopped.", "Tick the box that confirms it.")
            return await self._shown(request, said, {}, status=422)
        receipt = await self._desk.stop(name, reason)
        response = redirect("/reindexes")
        if receipt.accepted:
            tell(response, Said("good", "Stopped.", f"Re-index {name}; what it stored stays."))
        else:
            tell(response, Said("info", "No effect.", receipt.message))
        return response

    async def _shown(
        self,
        request: web.Request,
        said: Said | None,
        given: Mapping[str, str],
        *,
        status: int = HTTPStatus.OK,
    ) -> web.Response:
        now_ms = self._clock()
        rows = [ReindexRow.of(it, now_ms) for it in await self._desk.recent(SHOWN_MAX)]
        return self._site.render(
            request,
            "reindexes.html",
            status=status,
            running=[row for row in rows if not row.is_over],
            past=[row for row in rows if row.is_over],
            given=given,
            poll_ms=POLL_MS,
            said=said,
            twin=TWIN,
        )


def _request(given: Mapping[str, str]) -> ReindexRequest:
    """What the fields ask for; empty ones do not count."""
    texts = {name: given.get(name, "").strip() for name in ("source", "id", "into")}
    body: dict[str, object] = {name: text for name, text in texts.items() if text}
    body["prune"] = given.get("prune") == "yes"
    rate = given.get("rate", "").strip()
    if rate:
        try:
            body["rate"] = float(rate)
        except ValueError:
            raise InvalidRequest(f"rate: {rate[:40]!r} is no number") from None
    try:
        return _REQUEST.validate_python(body)
    except ValidationError as error:
        raise invalid(error) from None
