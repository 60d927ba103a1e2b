"""`Site`: what every page is made with: who may see it, how it looks, what its errors look like."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlencode

import structlog
from aiohttp import web

from stepwell.streams.dashboard.rendering import Templates
from stepwell.streams.dashboard.said import COOKIE, forget, said_before
from stepwell.streams.errors import (
    BrokerUnavailable,
    IndexUnavailable,
    InstanceError,
    LetterError,
    ReadModelUnavailable,
    StepwellError,
)
from stepwell.streams.gateway.guards import Guard, Scope
from stepwell.streams.gateway.problems import Problem, Reason, refused, unavailable

log = structlog.get_logger(__name__)

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: with it browsers hide the origin of our own forms too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
FORM_TIMEOUT_MS = 10_000
FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
NEXT_LENGTH_MAX = 2000
_READING = frozenset({"GET", "HEAD"})

Clock = Callable[[], int]
"""Milliseconds since 1970."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """Made once; pages are classes that get it and give `routes()`."""

    def __init__(
        self, guard: Guard, templates: Templates, health: Callable[[], object] = lambda: None
    ) -> None:
        self.guard = guard
        self._templates = templates
        self._health = health

    def page(self, handler: Handler) -> Handler:
        """The handler for those who may see the page, with its errors as pages.

        `GET` is for those who may read; everything else is for operators, and not for forms of
        other sites.
        """

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                is_reading = request.method in _READING
                self.guard.check(request, Scope.READ if is_reading else Scope.OPERATE)
                if not is_reading:
                    check_form(request)
                return await translated(handler, request)
            except Problem as problem:
                return self.refusal(request, problem)

        return answer

    def open_page(self, handler: Handler) -> Handler:
        """The handler for everybody: for the login page and pages for visitors."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                self.guard.check_site(request)
                if request.method not in _READING:
                    check_form(request)
                return await translated(handler, request)
            except Problem as problem:
                return self.refusal(request, problem)

        return answer

    def render(
        self,
        request: web.Request,
        template: str,
        *,
        status: int = HTTPStatus.OK,
        **values: object,
    ) -> web.Response:
        """A page. Templates also get `path`, `may_read`, `may_operate` and `has_session`."""
        scope = self._scope(request)
        # What a script asks for in between is nothing that anybody reads a notice on.
        is_read = request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
        told = said_before(request) if is_read else None
        frame = {
            "path": request.path,
            "may_operate": scope is Scope.OPERATE,
            "may_read": scope is not None,
            "has_session": scope is not None and not self.guard.is_open,
            "health": self._health() if scope is not None else None,
            "said": told,
            "twin": None,
        }
        body = self._templates.render(template, frame | values)
        response = web.Response(
            text=body, status=status, content_type="text/html", headers=PAGE_HEADERS
        )
        if is_read and COOKIE in request.cookies:
            forget(response)
        return response

    def refusal(self, request: web.Request, problem: Problem) -> web.Response:
        """What was refused, as a page; whoever has no session is led to the login."""
        why = problem.hint or problem.detail
        log.info("page refused", path=request.rel_url.raw_path, reason=problem.reason, why=why)
        if problem.status == HTTPStatus.UNAUTHORIZED:
            asked = request.rel_url.raw_path_qs if request.method in _READING else "/"
            place = "/login?" + urlencode({"next": asked[:NEXT_LENGTH_MAX]})
            return redirect(place)
        response = self.render(request, "problem.html", status=problem.status, problem=problem)
        response.headers.update(problem.headers)
        if problem.close:
            response.force_close()
        return response

    def _scope(self, request: web.Request) -> Scope | None:
        try:
            return self.guard.scope_of(request)
        except Problem:  # too many wrong tokens: whoever that is has none
            return None


async def translated(handler: Handler, request: web.Request) -> web.StreamResponse:
    """What the handler answers; its errors as `Problem`s."""
    try:
        return await handler(request)
    except Problem:
        raise
    except InstanceError as error:
        raise refused(error) from error
    except LetterError as error:
        found = error.code != "dead_letter.not_found"
        status = HTTPStatus.CONFLICT if found else HTTPStatus.NOT_FOUND
        raise Problem(status, error.code, str(error), code=error.code) from error
    except (BrokerUnavailable, IndexUnavailable, ReadModelUnavailable) as error:
        raise unavailable(str(error), str(error)) from error
    except StepwellError as error:
        log.exception("page failed", path=request.rel_url.raw_path)
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", str(error)) from error


def check_form(request: web.Request) -> None:
    """A form of ours says where it comes from; a form of another site says something else.

    The origin itself was compared before: here it must be there, or the browser must vouch.
    """
    vouched = request.headers.get("Sec-Fetch-Site")
    if vouched is not None and vouched != "same-origin":
        raise Problem(HTTPStatus.FORBIDDEN, Reason.ORIGIN, "Pages of other sites may not ask this.")
    if vouched is None and "Origin" not in request.headers:
        detail = "The form does not say which page it comes from (no Origin)."
        raise Problem(HTTPStatus.FORBIDDEN, Reason.ORIGIN, detail)
    if request.content_type not in FORM_TYPES:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Reason.MEDIA_TYPE, "A form is expected.")


async def fields(request: web.Request) -> Mapping[str, str]:
    """The fields of a form: texts only, each once; raises `Problem`."""
    found: dict[str, str] = {}
    for name, value in (await _form(request)).items():
        if not isinstance(value, str) or name in found:
            detail = f"{name[:80]}: one text is expected"
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, Reason.QUERY, detail)
        found[name] = value
    return found


async def _form(request: web.Request) -> Mapping[str, object]:
    try:
        async with asyncio.timeout(FORM_TIMEOUT_MS / 1000):
            return await request.post()
    except web.HTTPRequestEntityTooLarge:
        detail = "The form is too large."
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        raise Problem(status, Reason.SIZE, detail, close=True) from None
    except TimeoutError:
        detail = f"The form did not arrive within {FORM_TIMEOUT_MS} ms."
        status = HTTPStatus.REQUEST_TIMEOUT
        raise Problem(status, Reason.TIMEOUT, detail, close=True) from None
    except (ValueError, LookupError, web.RequestPayloadError):  # UTF-8, boundary, charset, framing
        detail = "The body is not the form that its Content-Type says."
        raise Problem(HTTPStatus.BAD_REQUEST, Reason.ENCODING, detail, close=True) from None


def redirect(place: str) -> web.Response:
    """Go there and read (303)."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={**PAGE_HEADERS, "Location": place})
