"""Routes of the API: who may ask, and what the OpenAPI document says of them, in one place."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

import orjson
import structlog
from aiohttp import web

from stepwell.streams.errors import BrokerUnavailable, InstanceError, ReadModelUnavailable
from stepwell.streams.gateway.guards import Guard, Scope
from stepwell.streams.gateway.problems import Problem, refused, unavailable
from stepwell.streams.views import plain

log = structlog.get_logger(__name__)

JSON = "application/json"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Addition = Callable[[web.Application, Guard], Iterable[web.AbstractRouteDef]]
"""More routes, and what they need of the application: its shutdown, its middlewares."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes with a status: the type of a value that becomes JSON, or a media type."""

    shape: object = None
    """A type; a dict is a JSON Schema as it is."""
    media: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    """Name and meaning of those that matter."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A body that is taken: the type of its JSON by media type; None: bytes as they are."""

    shapes: Mapping[str, object]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query, or a header, with its JSON Schema."""

    name: str
    about: str
    schema: Mapping[str, object] = field(default_factory=lambda: {"type": "string"})
    place: str = "query"
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Doc:
    """What clients need to know of a route. Its first sentence is the handler's unless given."""

    name: str
    """Its `operationId`: what generated clients call it."""
    tag: str
    summary: str = ""
    about: str = ""
    takes: Taken | None = None
    query: tuple[Parameter, ...] = ()
    gives: Mapping[HTTPStatus, Answer]
    refuses: tuple[HTTPStatus, ...] = ()
    """Besides 401, 403 and 429, with which every guarded route refuses."""


@dataclass(frozen=True, slots=True)
class Route(web.AbstractRouteDef):
    """One route, to be added to an application as `web.get(…)` is."""

    method: str
    path: str
    handler: Handler
    scope: Scope | None
    """None: everybody may ask."""
    doc: Doc

    def register(self, router: web.UrlDispatcher) -> list[web.AbstractRoute]:
        """Add it; what may be got may also be asked for its head."""
        if self.method == "GET":
            return [router.add_get(self.path, self.handler)]
        return [router.add_route(self.method, self.path, self.handler)]


def open_to_all(path: str, handler: Handler, doc: Doc) -> Route:
    """Something that everybody may look at."""
    return Route("GET", path, handler, None, told(doc, handler))


class Routes:
    """Makes routes for those who may ask; what handlers raise becomes a problem with a code."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def read(self, path: str, handler: Handler, doc: Doc) -> Route:
        """Something that may be looked at."""
        return self._route("GET", path, handler, Scope.READ, doc)

    def operate(self, method: str, path: str, handler: Handler, doc: Doc) -> Route:
        """Something that changes what is there."""
        return self._route(method, path, handler, Scope.OPERATE, doc)

    def _route(self, method: str, path: str, handler: Handler, scope: Scope, doc: Doc) -> Route:
        return Route(method, path, guarded(self._guard, scope, handler), scope, told(doc, handler))


def told(doc: Doc, handler: Handler) -> Doc:
    """With the words of its handler, where it has none of its own."""
    summary, _, about = (handler.__doc__ or "").strip().partition("\n")
    paragraphs = " ".join(about.split())
    return replace(doc, summary=doc.summary or summary, about=doc.about or paragraphs)


def guarded(guard: Guard, scope: Scope, handler: Handler) -> Handler:
    """The handler for those who may ask; its errors become problems with a code."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            guard.check(request, scope)
            return await _translated(handler, request)
        except Problem as problem:
            problem.code = problem.code or f"request.{problem.reason}"
            why = problem.hint or problem.detail
            log.warning(
                "request refused", path=request.rel_url.raw_path, code=problem.code, why=why
            )
            raise

    return answer


async def _translated(handler: Handler, request: web.Request) -> web.StreamResponse:
    try:
        return await handler(request)
    except InstanceError as error:
        raise refused(error) from error
    except (BrokerUnavailable, ReadModelUnavailable) as error:
        detail = (
            "Kafka did not answer in time. A command may have been stored all the same: look at "
            "the instance, or ask again under the same instance or event id."
        )
        raise unavailable(str(error), detail) from error


def json_answer(
    status: HTTPStatus, value: object, headers: dict[str, str] | None = None
) -> web.Response:
    """A value as JSON."""
    body = orjson.dumps(value, default=plain)
    return web.Response(body=body, status=status, headers=headers, content_type=JSON)
