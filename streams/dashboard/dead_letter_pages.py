"""`/dead-letters`: what could not be processed, why, and what is done about it."""

from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from stepwell.schemas.dead_letters import LetterId
from stepwell.streams.dashboard.hexdump import hexdump
from stepwell.streams.dashboard.said import Said, said_before, tell
from stepwell.streams.dashboard.site import Site, fields, redirect
from stepwell.streams.dashboard.texts import segment
from stepwell.streams.gateway.dead_letters import DeadLetters
from stepwell.streams.gateway.problems import Problem, Reason
from stepwell.streams.views import LetterOutcome, LetterQuery, LetterView, Preview

SHOWN_MAX = 200
NOTE_LENGTH_MAX = 1000
TEXT_LENGTH_MAX = 300
PATH = "/dead-letters/{letter:[0-9]{1,9}:[0-9]{1,18}}"


@dataclass(frozen=True, slots=True)
class Part:
    """The key or the value of a letter."""

    name: str
    text: str
    bytes: int
    is_whole: bool
    is_binary: bool


class DeadLetterPages:
    """The list, one letter, and the forms that decide about it."""

    def __init__(self, site: Site, letters: DeadLetters) -> None:
        self._site = site
        self._letters = letters

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application."""
        page = self._site.page
        return [
            web.get("/dead-letters", page(self.index)),
            web.get(PATH, page(self.show)),
            web.post(f"{PATH}/retry", page(self.retry)),
            web.post(f"{PATH}/discard", page(self.discard)),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """Those that are open, newest first; with `all`, those that are settled too."""
        reason = request.query.get("reason", "")[:TEXT_LENGTH_MAX]
        topic = request.query.get("topic", "")[:TEXT_LENGTH_MAX]
        subject = request.query.get("subject", "")[:TEXT_LENGTH_MAX]
        everything = request.query.get("all") == "1"
        every = await self._letters.select(LetterQuery(resolved_too=True), None)
        query = LetterQuery(
            reason=reason or None,
            topic=topic or None,
            subject=subject or None,
            resolved_too=everything,
        )
        found = await self._letters.select(query, SHOWN_MAX + 1)
        return self._site.render(
            request,
            "dead_letters.html",
            letters=found[:SHOWN_MAX],
            is_cut=len(found) > SHOWN_MAX,
            open_count=sum(it.state == "open" for it in every),
            reasons=_counted(every, everything=everything),
            topics=sorted({it.topic for it in every if it.topic}),
            asked={"reason": reason, "topic": topic, "subject": subject, "all": everything},
            said=said_before(request),
            twin="/api/v1/dead-letters" + ("?all=1" if everything else ""),
        )

    async def show(self, request: web.Request) -> web.Response:
        """One letter: what failed, its headers, its contents."""
        return await self._shown(request, said_before(request))

    async def retry(self, request: web.Request) -> web.Response:
        """Put the record back to where it came from."""
        given = await fields(request)
        note = given.get("note", "").strip()[:NOTE_LENGTH_MAX]
        outcomes = await self._letters.retry([_letter(request)], _nobody, note)
        return await self._settled(request, "Retried.", outcomes)

    async def discard(self, request: web.Request) -> web.Response:
        """Say that nothing more is to be done about it, and why."""
        given = await fields(request)
        note = given.get("note", "").strip()
        if not note or len(note) > NOTE_LENGTH_MAX:
            text = f"Say why, in at most {NOTE_LENGTH_MAX} characters."
            return await self._shown(request, Said("bad", "Not discarded.", text), status=422)
        outcomes = await self._letters.discard([_letter(request)], _nobody, note)
        return await self._settled(request, "Discarded.", outcomes)

    async def _settled(
        self, request: web.Request, title: str, outcomes: list[LetterOutcome]
    ) -> web.Response:
        (outcome,) = outcomes
        if not outcome.done:
            said = Said("bad", "Nothing was done.", outcome.detail)
            if outcome.code == "dead_letter.not_found":
                raise Problem(HTTPStatus.NOT_FOUND, Reason.ROUTE, outcome.detail)
            return await self._shown(request, said, status=HTTPStatus.CONFLICT)
        response = redirect(f"/dead-letters/{segment(str(_letter(request)))}")
        tell(response, Said("good", title, outcome.detail))
        return response

    async def _shown(
        self, request: web.Request, said: Said | None, *, status: int = HTTPStatus.OK
    ) -> web.Response:
        letter = _letter(request)
        content = await self._letters.show(letter)
        parts = [
            _part("key", content.key, content.raw_key),
            _part("value", content.value, content.raw_value),
        ]
        return self._site.render(
            request,
            "dead_letter.html",
            status=status,
            letter=content.letter,
            headers=content.headers,
            parts=[part for part in parts if part is not None],
            advice=advice_for(content.letter),
            said=said,
            twin=f"/api/v1/dead-letters/{letter}",
        )


def advice_for(letter: LetterView) -> str:
    """What to do about it."""
    if letter.state != "open":
        return "Nothing: it is settled."
    if letter.whole_bytes is not None:
        return (
            "It was too large for a letter: only its beginning is kept. While the topic still has "
            "it, replay it from there; then discard this."
        )
    if letter.instance or letter.stage == "journal":
        return (
            "A record of the journal is not retried: the instance has gone on without it. Look at "
            "the instance, resume or restart it, then discard this."
        )
    return (
        "Mend what it fails for: the code of the workflow, the mapping, or the producer. Then "
        "retry it. What will never work is discarded, with the reason."
    )


def _part(name: str, preview: Preview | None, raw: bytes | None) -> Part | None:
    if preview is None:
        return None
    if preview.encoding == "hex":
        text = hexdump(raw or b"")
        return Part(name, text, preview.total_bytes, preview.is_whole, is_binary=True)
    return Part(name, preview.shown, preview.total_bytes, preview.is_whole, is_binary=False)


def _counted(letters: list[LetterView], *, everything: bool) -> dict[str, int]:
    """How many there are for each reason."""
    counts: dict[str, int] = {}
    for letter in letters:
        if everything or letter.state == "open":
            counts[letter.reason] = counts.get(letter.reason, 0) + 1
    return dict(sorted(counts.items()))


def _letter(request: web.Request) -> LetterId:
    return LetterId.parse(request.match_info["letter"])


def _nobody(_: LetterOutcome) -> None:
    """There is one letter, and its outcome is the answer."""
