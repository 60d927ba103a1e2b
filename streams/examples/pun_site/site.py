"""The pages: puns, one pun and its like, a new one with its preview. No page needs JavaScript."""

import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web

from stepwell.streams.dashboard.files import StaticFiles
from stepwell.streams.dashboard.site import PAGE_HEADERS, check_form, fields, redirect
from stepwell.streams.examples.pun_site.book import PunBook, PunRow
from stepwell.streams.examples.pun_site.handing import HandingOver
from stepwell.streams.examples.pun_site.neighbours import Around, Neighbours
from stepwell.streams.examples.pun_site.rates import Rate
from stepwell.streams.examples.pun_site.rendering import STATIC, Pages
from stepwell.streams.examples.pun_site.texts import (
    LENGTH_MAX,
    LENGTH_MIN,
    TextRefused,
    checked,
    cleaned,
    number_of,
    objection,
)
from stepwell.streams.gateway.problems import Problem, Reason

log = structlog.get_logger(__name__)

PAGE_SIZE = 20
BODY_BYTES_MAX = 16 * 1024
NUMBER_DIGITS_MAX = 16
QUERY_LENGTH_MAX = 4 * LENGTH_MAX
"""Of what is typed: what is too long for a pun gets a preview that says so."""
SUBMISSIONS, SUBMISSIONS_PER_S = 6, 60.0
LOOKS, LOOKS_PER_S = 200, 20.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a pun that is being typed would meet."""

    text: str
    around: Around
    refused: str = ""
    """Why it cannot be submitted at all."""
    objection: str = ""
    """What the moderator would likely say; the moderator decides."""
    there: PunRow | None = None
    """The same pun, if somebody has posted it."""


class PunSite:
    """The routes, and what they are limited to for each sender."""

    def __init__(self, book: PunBook, neighbours: Neighbours, handing: HandingOver) -> None:
        self._book = book
        self._neighbours = neighbours
        self._handing = handing
        self._files = StaticFiles(STATIC)
        self._pages = Pages(self._files)
        self._submissions = Rate(SUBMISSIONS, SUBMISSIONS_PER_S)
        self._looks = Rate(LOOKS, LOOKS_PER_S)

    def app(self) -> web.Application:
        """The application."""
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self._refusals])
        app.add_routes(
            [
                web.get("/", self.puns),
                web.get("/new", self.new),
                web.post("/puns", self.submit),
                web.get("/puns/{number}", self.pun),
                web.get("/healthz", self.healthz),
            ]
        )
        app.add_routes(self._files.routes())
        return app

    async def puns(self, request: web.Request) -> web.Response:
        """Puns for everybody, newest first; `?q=` those that mean what is asked for."""
        asked = cleaned(request.query.get("q", ""))[:LENGTH_MAX]
        if asked:
            self._limit(self._looks, request, "You are searching faster than puns can be found.")
            around = await self._neighbours.around(asked)
            return self._render("list.html", asked=asked, around=around, page=None)
        after = request.query.get("after")
        page = await self._book.published(limit=PAGE_SIZE, after=after)
        return self._render("list.html", asked="", around=None, page=page)

    async def pun(self, request: web.Request) -> web.Response:
        """One pun, wherever it is on its way, and those like it."""
        number = request.match_info["number"]
        known = number.isascii() and number.isdecimal() and len(number) <= NUMBER_DIGITS_MAX
        pun = await self._book.find(int(number)) if known else None
        if pun is None:
            raise Problem(HTTPStatus.NOT_FOUND, Reason.ROUTE, "There is no such pun.")
        around = await self._neighbours.around(pun.text, apart_from=pun.id)
        return self._render("pun.html", pun=pun, around=around)

    async def new(self, request: web.Request) -> web.Response:
        """The form, with a preview of what was typed so far."""
        typed = request.query.get("text", "")[:QUERY_LENGTH_MAX]
        if typed:
            self._limit(self._looks, request, "You are typing faster than puns can be looked at.")
        preview = await self._preview(typed) if cleaned(typed) else None
        return self._render("new.html", typed=typed, preview=preview, refused="")

    async def submit(self, request: web.Request) -> web.Response:
        """Take a pun; the same one again leads to the first."""
        check_form(request)
        if request.headers.get("Origin", f"http://{request.host}") not in _own(request):
            detail = "The form is on another site."
            raise Problem(HTTPStatus.FORBIDDEN, Reason.ORIGIN, detail)
        typed = (await fields(request)).get("text", "")
        try:
            text = checked(typed)
        except TextRefused as error:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            shown = typed[:QUERY_LENGTH_MAX]
            return self._render(
                "new.html", status=status, typed=shown, preview=None, refused=str(error)
            )
        if await self._book.find(number_of(text)) is None:
            told = f"At most {SUBMISSIONS} new puns in a minute: good ones take time."
            self._limit(self._submissions, request, told)
        number = await self._book.add(text)
        self._handing.look()
        log.info("pun submitted", pun=number)
        return redirect(f"/puns/{number}")

    async def healthz(self, _: web.Request) -> web.Response:
        """The site answers."""
        return web.json_response({"status": "ok"})

    # --- inside -------------------------------------------------------------------------------

    async def _preview(self, typed: str) -> Preview:
        text = cleaned(typed)
        around = await self._neighbours.around(text[:LENGTH_MAX], apart_from=number_of(text))
        try:
            checked(text)
        except TextRefused as error:
            return Preview(text, around, refused=str(error))
        there = await self._book.find(number_of(text))
        return Preview(text, around, objection=objection(text), there=there)

    def _limit(self, rate: Rate, request: web.Request, told: str) -> None:
        if wait_s := rate.wait_s(request.remote or ""):
            detail = f"{told} Try again in {wait_s} s."
            headers = {"Retry-After": str(wait_s)}
            status = HTTPStatus.TOO_MANY_REQUESTS
            raise Problem(status, "rate", detail, headers=headers)

    def _render(
        self, template: str, *, status: int = HTTPStatus.OK, **values: object
    ) -> web.Response:
        lengths = {"least": LENGTH_MIN, "most": LENGTH_MAX}
        html = self._pages.render(template, {"lengths": lengths, **values})
        return web.Response(
            text=html, status=status, content_type="text/html", headers=PAGE_HEADERS
        )

    @web.middleware
    async def _refusals(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn refusals into pages that repeat nothing of the request."""
        try:
            return await handler(request)
        except Problem as problem:
            page = self._render("problem.html", status=problem.status, problem=problem)
            page.headers.update(problem.headers)
            return page
        except sqlite3.Error as error:
            log.warning("no puns", why=str(error))
            status = HTTPStatus.SERVICE_UNAVAILABLE
            return self._render("problem.html", status=status, problem=_plain(status))
        except web.HTTPError as error:
            status = HTTPStatus(error.status)
            page = self._render("problem.html", status=status, problem=_plain(status))
            if "Allow" in error.headers:
                page.headers["Allow"] = error.headers["Allow"]
            return page


def _own(request: web.Request) -> tuple[str, str]:
    return f"http://{request.host}", f"https://{request.host}"


def _plain(status: HTTPStatus) -> Problem:
    details = {
        HTTPStatus.NOT_FOUND: "There is no such page.",
        HTTPStatus.SERVICE_UNAVAILABLE: "The puns are busy. Try again in a moment.",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"A pun has at most {LENGTH_MAX} characters.",
    }
    return Problem(status, Reason.ROUTE, details.get(status, "That cannot be done here."))
