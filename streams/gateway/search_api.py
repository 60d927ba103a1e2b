"""`/api/v1/search` and `…/similar`: what the index holds, by meaning or by words."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.problems import RETRY_AFTER_S, Problem, Reason
from stepwell.streams.gateway.routing import (
    Addition,
    Answer,
    Doc,
    Handler,
    Parameter,
    Route,
    Routes,
    json_answer,
)
from stepwell.streams.gateway.search_asking import PARAMETERS, read_query
from stepwell.streams.gateway.searching import (
    FILTER_LENGTH_MAX,
    LABELS_MAX,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    QUERY_LENGTH_MAX,
    QueryRefused,
    Search,
    SearchAnswer,
    SearchUnavailable,
    SimilarAnswer,
)
from stepwell.streams.ports import SearchMode

SEARCH = "/api/v1/search"
SIMILAR = "/api/v1/documents/{key:.+}/similar"
"""The key is percent-encoded; it may hold slashes."""
SIMILAR_PARAMETERS = PARAMETERS - {"q", "mode"}

_NAME: Mapping[str, object] = {"type": "string", "maxLength": FILTER_LENGTH_MAX}
_LIMIT: Mapping[str, object] = {
    "type": "integer",
    "minimum": 1,
    "maximum": LIMIT_MAX,
    "default": LIMIT_DEFAULT,
}
_FILTERS = (
    Parameter("type", "Only of this type, such as issue.", _NAME),
    Parameter("repo", "Only of this repository, as owner/name.", _NAME),
    Parameter("state", "Only in this state, such as open.", _NAME),
    Parameter(
        "label",
        "Only with this label; several: with one of them.",
        {"type": "array", "items": _NAME, "maxItems": LABELS_MAX},
    ),
    Parameter("limit", "How many at most.", _LIMIT),
)
_QUERY = (
    Parameter(
        "q",
        "What is searched for.",
        {"type": "string", "minLength": 1, "maxLength": QUERY_LENGTH_MAX},
        required=True,
    ),
    Parameter(
        "mode",
        "By meaning, by words, or by both rankings fused.",
        {"enum": list(SearchMode), "default": SearchMode.SEMANTIC},
    ),
)


class SearchApi:
    """The routes; they only read."""

    def __init__(self, search: Search, guard: Guard) -> None:
        self._search = search
        self._routes = Routes(guard)

    def routes(self) -> list[Route]:
        """To be added to an application."""
        search = Doc(
            name="search",
            tag="search",
            query=(*_QUERY, *_FILTERS),
            gives={HTTPStatus.OK: Answer(SearchAnswer)},
            refuses=(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
        )
        similar = Doc(
            name="similarDocuments",
            tag="search",
            query=_FILTERS,
            gives={HTTPStatus.OK: Answer(SimilarAnswer)},
            refuses=(
                HTTPStatus.NOT_FOUND,
                HTTPStatus.UNPROCESSABLE_ENTITY,
                HTTPStatus.SERVICE_UNAVAILABLE,
            ),
        )
        return [
            self._routes.read(SEARCH, searching(self.search), search),
            self._routes.read(SIMILAR, searching(self.similar), similar),
        ]

    async def search(self, request: web.Request) -> web.Response:
        """Search the documents of the index: the best answers, best first.

        Of a long body only the beginning is there. `instance` is the newest one that was about the
        document and completed, if it is known.
        """
        asked = read_query(request.query)
        if not asked.text:
            raise QueryRefused("q: what is to be searched for is missing")
        answer = await self._search.search(
            asked.text, asked.mode, limit=asked.limit, filters=asked.filters
        )
        return json_answer(HTTPStatus.OK, answer)

    async def similar(self, request: web.Request) -> web.Response:
        """A document and others that mean what it does, nearest first."""
        asked = read_query(request.query, SIMILAR_PARAMETERS)
        key = request.match_info["key"]
        answer = await self._search.similar(key, limit=asked.limit, filters=asked.filters)
        if answer is None:
            detail = "The index holds no document of this key."
            raise Problem(HTTPStatus.NOT_FOUND, Reason.ROUTE, detail, code="search.no_document")
        return json_answer(HTTPStatus.OK, answer)


def search_routes(search: Search) -> Addition:
    """What a gateway serves beside its instances."""
    return lambda _, guard: SearchApi(search, guard).routes()


def searching(handler: Handler) -> Handler:
    """The handler, whose errors of searching become problems with a code."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except (QueryRefused, SearchUnavailable) as error:
            raise problem_of(error) from error

    answer.__doc__ = handler.__doc__
    return answer


def problem_of(error: QueryRefused | SearchUnavailable) -> Problem:
    """What the sender is told."""
    if isinstance(error, QueryRefused):
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return Problem(status, Reason.QUERY, error.detail, code="search.invalid_query")
    headers = {"Retry-After": str(RETRY_AFTER_S)} if error.passing else {}
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return Problem(status, Reason.UNAVAILABLE, error.detail, headers=headers, code=error.code)
