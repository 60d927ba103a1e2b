"""Dead letters of the deployment that the settings name: what command line and API call."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from stepwell.schemas.dead_letters import Headers, LetterId
from stepwell.streams.deadletters.desk import Desk, Report
from stepwell.streams.deadletters.shelf import LetterRecord
from stepwell.streams.errors import LetterRefused, TopicMismatch
from stepwell.streams.kafka.errors import RecordTooLarge
from stepwell.streams.kafka.publisher import Position
from stepwell.streams.kafka.records import Append, Read, open_appender, open_reader
from stepwell.streams.kafka.tail import read_tail
from stepwell.streams.runtime.clock import system_clock
from stepwell.streams.settings import KafkaSettings, Settings
from stepwell.streams.views import LetterContent, LetterOutcome, LetterQuery, LetterView
from stepwell.streams.wiring import security_of, topics_of


async def list_dead_letters(
    settings: Settings, query: LetterQuery, limit: int | None = None
) -> list[LetterView]:
    """The dead letters that fit, newest first."""
    return await _desk(settings).select(query, limit)


async def show_dead_letter(settings: Settings, letter: LetterId) -> LetterContent:
    """One dead letter with what is in it; raises `LetterNotFound`."""
    async with _reader(settings) as read:
        return await _desk(settings, read).show(letter)


async def retry_dead_letters(
    settings: Settings, letters: Sequence[LetterId], report: Report, note: str = ""
) -> list[LetterOutcome]:
    """Put records back where they came from; `report` hears of each at once."""
    async with _reader(settings) as read, _appender(settings) as append:
        return await _desk(settings, read, append).retry(letters, report, note)


async def discard_dead_letters(
    settings: Settings, letters: Sequence[LetterId], report: Report, note: str = ""
) -> list[LetterOutcome]:
    """Mark dead letters as not to be retried; `report` hears of each at once."""
    async with _reader(settings) as read, _appender(settings) as append:
        return await _desk(settings, read, append).discard(letters, report, note)


def _reader(settings: Settings) -> AbstractAsyncContextManager[Read]:
    kafka = settings.kafka
    letters = topics_of(kafka).dead_letters
    return open_reader(kafka.bootstrap, letters, security=security_of(kafka))


def _appender(settings: Settings) -> AbstractAsyncContextManager[Append]:
    return open_appender(settings.kafka.bootstrap, security=security_of(settings.kafka))


def _desk(settings: Settings, read: Read | None = None, append: Append | None = None) -> Desk:
    topics = topics_of(settings.kafka)
    return Desk(
        _KafkaLetters(settings.kafka, read, append),
        letters=topics.dead_letters,
        events=topics.events,
        clock=system_clock,
    )


class _KafkaLetters:
    """The `LetterTopic` of a real log; what it was not given, it cannot be asked for."""

    def __init__(self, kafka: KafkaSettings, read: Read | None, append: Append | None) -> None:
        self._kafka = kafka
        self._name = topics_of(kafka).dead_letters
        self._read = read
        self._append = append

    async def read(self, visit: Callable[[LetterRecord], object]) -> None:
        """Visit all records."""
        await read_tail(
            self._kafka.bootstrap,
            self._name,
            lambda record: visit(
                LetterRecord(
                    LetterId(record.partition, record.offset),
                    record.timestamp,
                    record.key,
                    record.value,
                    tuple(record.headers),
                )
            ),
            count_max=sys.maxsize,
            security=security_of(self._kafka),
        )

    async def read_one(self, at: LetterId) -> LetterRecord | None:
        """The record at this place."""
        assert self._read is not None
        found = await self._read(Position(*at))
        if found is None:
            return None
        return LetterRecord(at, found.timestamp, found.key, found.value, tuple(found.headers))

    async def append(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> LetterId:
        """Append to any topic."""
        assert self._append is not None
        try:
            return LetterId(*await self._append(topic, partition, key, value, headers))
        except (RecordTooLarge, TopicMismatch) as error:
            raise LetterRefused(str(error)) from error
