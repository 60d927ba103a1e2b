"""`/api/v1/dead-letters`: records that could not be processed are looked at, retried, discarded."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from aiohttp import web

from stepwell.schemas.dead_letters import LetterId
from stepwell.streams.errors import BrokerUnavailable, LetterError, LetterNotFound
from stepwell.streams.gateway.bodies import read_json
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.problems import Problem, Reason, unavailable
from stepwell.streams.gateway.routing import (
    JSON,
    Answer,
    Doc,
    Handler,
    Parameter,
    Route,
    Routes,
    Taken,
    json_answer,
    told,
)
from stepwell.streams.views import LetterContent, LetterOutcome, LetterQuery, LetterView

LETTERS = "/api/v1/dead-letters"
LETTER = f"{LETTERS}/{{letter:[0-9]{{1,9}}:[0-9]{{1,18}}}}"
LIMIT_DEFAULT, LIMIT_MAX = 100, 1000
BODY_BYTES_MAX = 64 * 1024
_NUMBER = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}

Report = Callable[[LetterOutcome], None]
Resolve = Callable[[Sequence[LetterId], Report, str], Awaitable[list[LetterOutcome]]]


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """What may be done with dead letters; failures are `LetterError`."""

    select: Callable[[LetterQuery, int | None], Awaitable[list[LetterView]]]
    show: Callable[[LetterId], Awaitable[LetterContent]]
    retry: Resolve
    discard: Resolve


QUERY = (
    Parameter("reason", "Only those that failed for this reason."),
    Parameter("topic", "Only those whose records came from this topic."),
    Parameter("since", "Failed then or later: milliseconds.", _NUMBER),
    Parameter("all", "Those that were retried or discarded too.", {"enum": ["0", "1", "true"]}),
    Parameter("limit", f"So many at most; never more than {LIMIT_MAX}.", _NUMBER),
)
_MISSING = (HTTPStatus.NOT_FOUND,)
_VERBS = {
    "retry": "Put the record back to where it came from.",
    "discard": "Say that nothing more is to be done about it.",
}


class DeadLetterApi:
    """The routes. One letter at a time: bulk is for the command line."""

    def __init__(self, letters: DeadLetters, guard: Guard) -> None:
        self._letters = letters
        self._routes = Routes(guard)

    def routes(self) -> list[Route]:
        """To be added to an application."""
        listed = Doc(
            name="listDeadLetters",
            tag="dead letters",
            query=QUERY,
            gives={HTTPStatus.OK: Answer(list[LetterView])},
            refuses=(HTTPStatus.BAD_REQUEST,),
        )
        shown = Doc(
            name="showDeadLetter",
            tag="dead letters",
            gives={HTTPStatus.OK: Answer(LetterContent)},
            refuses=_MISSING,
        )
        return [
            self._read(LETTERS, self.index, listed),
            self._read(LETTER, self.show, shown),
            *(self._part(part) for part in ("key", "value")),
            *(self._verb(verb, meaning) for verb, meaning in _VERBS.items()),
        ]

    def _read(self, path: str, handler: Handler, doc: Doc) -> Route:
        return self._routes.read(path, _translated(handler), told(doc, handler))

    def _part(self, part: str) -> Route:
        doc = Doc(
            name=f"downloadDeadLetter{part.capitalize()}",
            tag="dead letters",
            summary=f"The {part} as it came.",
            gives={HTTPStatus.OK: Answer(media="application/octet-stream")},
            refuses=_MISSING,
        )
        return self._read(f"{LETTER}/{part}", partial(self.download, part), doc)

    def _verb(self, verb: str, meaning: str) -> Route:
        doc = Doc(
            name=f"{verb}DeadLetter",
            tag="dead letters",
            summary=meaning,
            takes=Taken({JSON: {}}),
            gives={HTTPStatus.OK: Answer(LetterOutcome)},
            refuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        )
        handler = _translated(partial(self.resolve, verb))
        return self._routes.operate("POST", f"{LETTER}/{verb}", handler, doc)

    async def index(self, request: web.Request) -> web.Response:
        """The open ones, newest first; `reason`, `topic`, `since` (ms), `all`, `limit` choose."""
        given = request.query
        query = LetterQuery(
            reason=given.get("reason"),
            topic=given.get("topic"),
            since_ms=_number(given.get("since"), "since"),
            resolved_too=given.get("all") in ("1", "true"),
        )
        limit = _number(given.get("limit"), "limit")
        shown = min(LIMIT_DEFAULT if limit is None else limit, LIMIT_MAX)
        return json_answer(HTTPStatus.OK, await self._letters.select(query, shown))

    async def show(self, request: web.Request) -> web.Response:
        """One letter with its headers and the beginning of its contents."""
        return json_answer(HTTPStatus.OK, await self._letters.show(_letter(request)))

    async def download(self, part: str, request: web.Request) -> web.Response:
        """The key or the value as they came."""
        found = await self._letters.show(_letter(request))
        name = f"dead-letter-{found.letter.letter.replace(':', '-')}.{part}"
        return web.Response(
            body=(found.raw_key if part == "key" else found.raw_value) or b"",
            content_type="application/octet-stream",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "X-Content-Type-Options": "nosniff",
            },
        )

    async def resolve(self, verb: str, request: web.Request) -> web.Response:
        """Retry or discard one letter; 409 when that is refused."""
        await read_json(request, max_bytes=BODY_BYTES_MAX)
        resolve = self._letters.retry if verb == "retry" else self._letters.discard
        (outcome,) = await resolve([_letter(request)], lambda _: None, "")
        if not outcome.done:
            raise _problem(outcome.code, outcome.detail)
        return json_answer(HTTPStatus.OK, outcome)


def _translated(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except LetterError as error:
            raise _problem(error.code, str(error)) from error
        except BrokerUnavailable as error:
            detail = "Kafka did not answer in time. Look at the letter before asking again."
            raise unavailable(str(error), detail) from error

    return answer


def _letter(request: web.Request) -> LetterId:
    return LetterId.parse(request.match_info["letter"])


def _number(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        detail = f"{name}: a whole number expected"
        raise Problem(HTTPStatus.BAD_REQUEST, Reason.QUERY, detail)
    return int(text)


def _problem(code: str, detail: str) -> Problem:
    found = code != LetterNotFound.code
    status = HTTPStatus.CONFLICT if found else HTTPStatus.NOT_FOUND
    return Problem(status, code, detail, code=code)
