"""`/search`: documents by meaning or by words, and those that are like one of them."""

import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Self
from urllib.parse import quote, urlencode

from aiohttp import web

from stepwell.streams.dashboard.site import Site
from stepwell.streams.gateway.problems import RETRY_AFTER_S
from stepwell.streams.gateway.search_asking import PARAMETERS, Asked, read_query
from stepwell.streams.gateway.searching import (
    FILTER_LENGTH_MAX,
    LIMIT_MAX,
    QUERY_LENGTH_MAX,
    FoundDocument,
    QueryRefused,
    Search,
    SearchAnswer,
    SearchUnavailable,
    SimilarAnswer,
)
from stepwell.streams.ports import SearchMode

LIKE = "like"
"""The parameter that names the document whose like is wanted."""
SNIPPET_LENGTH = 280
BEFORE_MATCH = 60
WORDS_MAX = 16
MODES = {
    SearchMode.SEMANTIC: "by meaning",
    SearchMode.KEYWORD: "by words",
    SearchMode.HYBRID: "by both",
}
LIMITS = (10, 25, 50, LIMIT_MAX)

Marked = tuple[tuple[str, bool], ...]
"""A text in pieces, and which of them are words of the query."""


@dataclass(frozen=True, slots=True)
class HitView:
    """A hit as the page shows it."""

    found: FoundDocument
    title: Marked
    snippet: Marked
    url: str
    """Where to read it; empty when it is no address of the web."""
    share: float
    """Of the best score: 0 to 1."""

    @classmethod
    def of(cls, found: FoundDocument, words: list[str], best: float) -> Self:
        """A hit, beside the best one."""
        document = found.document
        title, body = document.title.strip(), " ".join(document.body.split())
        share = max(0.0, found.score) / best if best > 0 else 0.0
        name = title or _cut(body, words) or document.key
        snippet = _cut(body, words) if title else ""
        url = web_address(document.url)
        return cls(found, marked(name, words), marked(snippet, words), url, min(1.0, share))


@dataclass(frozen=True, slots=True)
class Results:
    """What the page has to show below its form."""

    hits: tuple[HitView, ...] = ()
    similar_to: SimilarAnswer | None = None
    refused: str = ""
    """Why the query cannot be answered."""
    unavailable: str = ""
    """Why nothing can be searched now."""
    passing: bool = False
    """Whether it is worth asking again."""
    is_blank: bool = False
    """Nothing was asked for yet."""
    status: HTTPStatus = HTTPStatus.OK


class SearchPages:
    """The routes."""

    def __init__(self, site: Site, search: Search) -> None:
        self._site = site
        self._search = search

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application."""
        return [web.get("/search", self._site.page(self.show))]

    async def show(self, request: web.Request) -> web.Response:
        """The form with the answer to what it asks; `?like=` asks for what is like a document."""
        key = request.query.get(LIKE, "")
        try:
            asked = read_query(request.query, PARAMETERS | {LIKE})
            results = await (self._similar(key, asked) if key else self._found(asked))
        except QueryRefused as error:
            asked = Asked(request.query.get("q", "")[:QUERY_LENGTH_MAX])
            refused = HTTPStatus.UNPROCESSABLE_ENTITY
            results = Results(refused=error.detail, status=refused)
        except SearchUnavailable as error:
            away = HTTPStatus.SERVICE_UNAVAILABLE
            results = Results(unavailable=error.detail, passing=error.passing, status=away)
        response = self._site.render(
            request,
            "search.html",
            status=results.status,
            asked=asked,
            key=key,
            results=results,
            modes=MODES,
            limits=sorted({*LIMITS, asked.limit}),
            lengths={"query": QUERY_LENGTH_MAX, "filter": FILTER_LENGTH_MAX},
            twin=_twin(asked, key),
        )
        if results.passing:
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response

    async def _found(self, asked: Asked) -> Results:
        if not asked.text:
            return Results(is_blank=True)
        answer = await self._search.search(
            asked.text, asked.mode, limit=asked.limit, filters=asked.filters
        )
        return Results(_views(answer, words_of(asked.text)))

    async def _similar(self, key: str, asked: Asked) -> Results:
        answer = await self._search.similar(key, limit=asked.limit, filters=asked.filters)
        if answer is None:
            gone = "The index holds no such document (any more)."
            return Results(refused=gone, status=HTTPStatus.NOT_FOUND)
        return Results(_views(answer, []), similar_to=replace(answer, hits=()))


def web_address(url: str) -> str:
    """The address, if it is one that a link may lead to."""
    return url if url.lower().startswith(("https://", "http://")) else ""


def words_of(text: str) -> list[str]:
    """The words to be marked; those of one letter would mark everything."""
    found = dict.fromkeys(word.lower() for word in re.findall(r"\w+", text))
    return [word for word in found if len(word) > 1][:WORDS_MAX]


def marked(text: str, words: list[str]) -> Marked:
    """The text, cut where words of the query begin and end."""
    if not words or not text:
        return ((text, False),) if text else ()
    pieces = _matcher(words).split(text)  # every other piece is a match
    return tuple((piece, at % 2 == 1) for at, piece in enumerate(pieces) if piece)


def _cut(text: str, words: list[str]) -> str:
    """The part of a text around the first word of the query, or its beginning."""
    if len(text) <= SNIPPET_LENGTH:
        return text
    match = _matcher(words).search(text) if words else None
    begin = max(0, match.start() - BEFORE_MATCH) if match else 0
    end = begin + SNIPPET_LENGTH
    return f"{'…' * (begin > 0)}{text[begin:end].strip()}{'…' * (end < len(text))}"


def _matcher(words: list[str]) -> re.Pattern[str]:
    either = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"\b({either})\b", re.IGNORECASE)


def _views(answer: SearchAnswer | SimilarAnswer, words: list[str]) -> tuple[HitView, ...]:
    best = max((hit.score for hit in answer.hits), default=0.0)
    return tuple(HitView.of(hit, words, best) for hit in answer.hits)


def _twin(asked: Asked, key: str) -> str | None:
    """The same as JSON."""
    filters = asked.filters
    pairs = [("type", filters.type), ("repo", filters.repo), ("state", filters.state)]
    query = [(name, value) for name, value in pairs if value]
    query += [("label", label) for label in filters.labels]
    query.append(("limit", str(asked.limit)))
    if key:
        return f"/api/v1/documents/{quote(key, safe='')}/similar?{urlencode(query)}"
    if not asked.text:
        return None
    return f"/api/v1/search?{urlencode([('q', asked.text), ('mode', asked.mode), *query])}"
