"""The dashboard as a whole: its pages, its files, its navigation."""

from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from stepwell.streams.dashboard.files import StaticFiles
from stepwell.streams.dashboard.login import Login
from stepwell.streams.dashboard.rendering import NavEntry, Templates
from stepwell.streams.dashboard.site import Handler, Site
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.problems import Problem, Reason
from stepwell.streams.gateway.routing import Addition

NAV = (
    NavEntry("Instances", "/instances", "i"),
    NavEntry("Workflows", "/workflows", "w"),
    NavEntry("Search", "/search", "s"),
    NavEntry("Dead letters", "/dead-letters", "d"),
    NavEntry("Replays", "/replays", "r"),
    NavEntry("Re-indexes", "/reindexes", "x"),
)
HOME = "/instances"
FOR_PROGRAMS = ("/api/", "/webhooks", "/events", "/schemas", "/static/")

MakePages = Callable[[Site], Iterable[web.AbstractRouteDef]]
"""The routes of some pages."""


def dashboard(*pages: MakePages, health: Callable[[], object] = lambda: None) -> Addition:
    """These pages, with what they all need; the navigation leads to those that are there.

    `health` is what the strip on every page shows, None: nothing is known.
    """

    def add(app: web.Application, guard: Guard) -> Iterable[web.AbstractRouteDef]:
        files = StaticFiles()
        nav: list[NavEntry] = []
        site = Site(guard, Templates(files, nav), health)
        routes = [route for make in pages for route in make(site)]
        paths = {route.path for route in routes if isinstance(route, web.RouteDef)}
        nav.extend(entry for entry in NAV if entry.href in paths)
        app.middlewares.append(_missing_pages(site))
        home = web.get("/", site.page(_home))
        strip = web.get("/health-strip", site.page(partial(_strip, site)))
        return [home, strip, *routes, *Login(site).routes(), *files.routes()]

    return add


async def _home(_: web.Request) -> web.Response:
    return web.Response(status=HTTPStatus.FOUND, headers={"Location": HOME})


async def _strip(site: Site, request: web.Request) -> web.Response:
    """The strip alone: open pages ask for it every few seconds."""
    return site.render(request, "strip.html", said=None)


def _missing_pages(site: Site) -> Middleware:
    """Whoever asks for a page that is not there, or cannot be asked so, is told by a page."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            is_person = "text/html" in request.headers.get("Accept", "")
            if not is_person or request.path.startswith(FOR_PROGRAMS):
                raise
            is_missing = isinstance(error, web.HTTPNotFound)
            detail = "There is no such page." if is_missing else "This page cannot be asked so."
            allow = {} if is_missing else {"Allow": error.headers["Allow"]}
            problem = Problem(HTTPStatus(error.status), Reason.ROUTE, detail, headers=allow)
            return site.refusal(request, problem)

    return answer
