"""`/api/v1/dead-letters`: records that could not be processed are looked at, retried, discarded."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from stepwell.schemas.dead_letters import LetterId
from stepwell.streams.errors import BrokerUnavailable, LetterError, LetterNotFound
from stepwell.streams.gateway.api import Handler, guarded, json_answer
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.problems import Problem, Reason, unavailable
from stepwell.streams.views import LetterContent, LetterOutcome, LetterQuery, LetterView

LETTERS = "/api/v1/dead-letters"
LETTER = f"{LETTERS}/{{letter:[0-9]{{1,9}}:[0-9]{{1,18}}}}"
LIMIT_DEFAULT, LIMIT_MAX = 100, 1000

Report = Callable[[LetterOutcome], None]
Resolve = Callable[[Sequence[LetterId], Report, str], Awaitable[list[LetterOutcome]]]


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """What may be done with dead letters; failures are `LetterError`."""

    select: Callable[[LetterQuery, int | None], Awaitable[list[LetterView]]]
    show: Callable[[LetterId], Awaitable[LetterContent]]
    retry: Resolve
    discard: Resolve


class DeadLetterApi:
    """The routes. One letter at a time: bulk is for the command line."""

    def __init__(self, letters: DeadLetters, guard: Guard) -> None:
        self._letters = letters
        self._guard = guard

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application."""
        return [
            web.get(LETTERS, self._guarded(self.index)),
            web.get(LETTER, self._guarded(self.show)),
            web.get(f"{LETTER}/{{part:key|value}}", self._guarded(self.download)),
            web.post(f"{LETTER}/{{verb:retry|discard}}", self._guarded(self.resolve)),
        ]

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

    async def download(self, request: web.Request) -> web.Response:
        """The key or the value as they came."""
        found = await self._letters.show(_letter(request))
        part = request.match_info["part"]
        name = f"dead-letter-{found.letter.letter.replace(':', '-')}.{part}"
        return web.Response(
            body=(found.raw_key if part == "key" else found.raw_value) or b"",
            content_type="application/octet-stream",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "X-Content-Type-Options": "nosniff",
            },
        )

    async def resolve(self, request: web.Request) -> web.Response:
        """Retry or discard one letter; 409 when that is refused."""
        if request.content_type != "application/json":  # a form of another site cannot say that
            detail = "Send application/json, and say so in Content-Type."
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Reason.MEDIA_TYPE, detail, close=True)
        verb = (
            self._letters.retry if request.match_info["verb"] == "retry" else self._letters.discard
        )
        (outcome,) = await verb([_letter(request)], lambda _: None, "")
        if not outcome.done:
            raise _problem(outcome.code, outcome.detail)
        return json_answer(HTTPStatus.OK, outcome)

    def _guarded(self, handler: Handler) -> Handler:
        return guarded(self._guard, _translated(handler))


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
