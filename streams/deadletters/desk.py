"""What an operator does with dead letters: look at them, retry them, discard them.

The topic is append-only. A letter is marked by a record of its own, in the same partition and with
the same key. A retry is acknowledged before its letter is marked: dying in between leaves a letter
that may be retried again, and the id of the event makes the second one harmless.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import Protocol

from stepwell.schemas.dead_letters import (
    Headers,
    LetterId,
    Outcome,
    Resolution,
    resolution_headers,
    retry_headers,
)
from stepwell.streams.deadletters.shelf import OPEN, Filed, LetterRecord, Shelf
from stepwell.streams.errors import LetterError, LetterNotFound, LetterRefused
from stepwell.streams.views import LetterContent, LetterOutcome, LetterQuery, LetterView, Preview

ATTEMPTS_MAX = 5
"""A record that has failed so often is not retried again."""
AT_ONCE = 100
"""So many letters are under way at the same time."""
PREVIEW_BYTES = 2048
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f]")
"""Text has none of these."""

Report = Callable[[LetterOutcome], None]


class LetterTopic(Protocol):
    """The dead-letter topic, and the way back; failures are `BrokerUnavailable`."""

    async def read(self, visit: Callable[[LetterRecord], object]) -> None:
        """Visit all records, in the order of each partition."""
        ...

    async def read_one(self, at: LetterId) -> LetterRecord | None:
        """The record at this place."""
        ...

    async def append(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> LetterId:
        """Append to any topic; returns its place when it is safe."""
        ...


class Desk:
    """The dead letters of one deployment. Failures are `LetterError`."""

    def __init__(
        self, topic: LetterTopic, *, letters: str, events: str, clock: Callable[[], int]
    ) -> None:
        self._topic = topic
        self._letters = letters
        self._events = events
        self._clock = clock

    async def select(self, query: LetterQuery, limit: int | None = None) -> list[LetterView]:
        """The letters that fit, newest first."""
        shelf = await self._shelf()
        return [filed.view for filed in shelf.select(query)][:limit]

    async def show(self, at: LetterId) -> LetterContent:
        """One letter with what is in it; raises `LetterNotFound`."""
        filed, record = await self._find(await self._shelf(), at)
        return LetterContent(
            filed.view,
            tuple((name, _text(value)) for name, value in record.headers),
            preview(record.key),
            preview(record.value),
            record.key,
            record.value,
        )

    async def retry(
        self, letters: Iterable[LetterId], report: Report, note: str = ""
    ) -> list[LetterOutcome]:
        """Put each record back where it came from; what is refused is in the outcomes."""

        async def one(shelf: Shelf, at: LetterId) -> str:
            filed, record = await self._find(shelf, at)
            self._check_retry(filed)
            source = filed.letter.source
            headers = retry_headers(filed.letter, record.headers)
            lies_at = await self._topic.append(
                source.topic, source.partition, record.key, record.value, headers
            )
            await self._mark(record, Outcome.RETRIED, retried_as=str(lies_at), note=note)
            return f"retried as {source.topic} {lies_at}"

        return await self._each(letters, one, report)

    async def discard(
        self, letters: Iterable[LetterId], report: Report, note: str = ""
    ) -> list[LetterOutcome]:
        """Mark each as not to be retried; its bytes stay until the retention of the topic."""

        async def one(shelf: Shelf, at: LetterId) -> str:
            filed, record = await self._find(shelf, at)
            _check_open(filed)
            await self._mark(record, Outcome.DISCARDED, note=note)
            return "discarded"

        return await self._each(letters, one, report)

    # --- inside -------------------------------------------------------------------------------

    async def _shelf(self) -> Shelf:
        shelf = Shelf()
        await self._topic.read(shelf.take)
        return shelf

    async def _each(
        self,
        letters: Iterable[LetterId],
        one: Callable[[Shelf, LetterId], Awaitable[str]],
        report: Report,
    ) -> list[LetterOutcome]:
        """Some at a time; after a failure no more are begun, and those under way end first."""
        shelf = await self._shelf()
        outcomes: list[LetterOutcome] = []

        async def settle(at: LetterId) -> LetterOutcome:
            try:
                outcome = LetterOutcome(str(at), done=True, detail=await one(shelf, at))
            except LetterError as error:
                outcome = LetterOutcome(str(at), done=False, detail=str(error), code=error.code)
            report(outcome)
            return outcome

        rest = iter(dict.fromkeys(letters))
        while some := list(islice(rest, AT_ONCE)):
            settled = await asyncio.gather(*map(settle, some), return_exceptions=True)
            for each in settled:
                if isinstance(each, BaseException):
                    raise each
                outcomes.append(each)
        return outcomes

    async def _find(self, shelf: Shelf, at: LetterId) -> tuple[Filed, LetterRecord]:
        filed = shelf.find(at)
        record = await self._topic.read_one(at) if filed else None
        if filed is None or record is None:
            raise LetterNotFound(f"there is no dead letter {at}")
        return filed, record

    def _check_retry(self, filed: Filed) -> None:
        _check_open(filed)
        at, source, failed = filed.at, filed.letter.source, filed.letter.repeats.attempts
        if source.topic != self._events or source.partition < 0:
            raise LetterRefused(
                f"dead letter {at} comes from {source.topic or 'nowhere we know'}: only events can "
                "be retried. A journal record has its place in an order that has gone on without "
                "it: look at the instance, restart or resume it, then discard the letter"
            )
        if filed.letter.whole_bytes is not None:
            raise LetterRefused(
                f"dead letter {at} holds only the beginning of a record of "
                f"{filed.letter.whole_bytes} bytes, which lies in {source.topic} at "
                f"{source.partition}:{source.offset} until its retention: replay it from there"
            )
        if failed >= ATTEMPTS_MAX:
            raise LetterRefused(
                f"dead letter {at} has failed {failed} times, the limit is {ATTEMPTS_MAX}: mend "
                "what it fails for, then publish it anew (stepwell dlq show --output keeps it)"
            )

    async def _mark(
        self, record: LetterRecord, outcome: Outcome, *, retried_as: str = "", note: str = ""
    ) -> None:
        resolution = Resolution(record.at, outcome, self._clock(), retried_as, note)
        headers = resolution_headers(resolution)
        await self._topic.append(self._letters, record.at.partition, record.key, b"", headers)


def _check_open(filed: Filed) -> None:
    view = filed.view
    if view.state != OPEN:
        where = f" as {view.topic} {view.retried_as}" if view.retried_as else ""
        raise LetterRefused(f"dead letter {filed.at} was {view.state}{where} before")


def preview(raw: bytes | None, bytes_max: int = PREVIEW_BYTES) -> Preview | None:
    """The beginning of some bytes, for people."""
    if raw is None:
        return None
    try:
        binary = _CONTROLS.search(raw.decode()) is not None
    except UnicodeDecodeError:
        binary = True
    if binary:
        cut = raw[: bytes_max // 4]
        return Preview("hex", cut.hex(" "), len(raw), len(cut) == len(raw))
    cut = raw[:bytes_max]
    return Preview("text", cut.decode(errors="ignore"), len(raw), len(cut) == len(raw))


def _text(value: bytes | None) -> str:
    shown = preview(value)
    return "" if shown is None else shown.shown
