"""For producers: the contract of events, and lines published as events, each with a verdict."""

import asyncio
import os
import stat
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from stepwell.schemas.asyncapi import asyncapi
from stepwell.schemas.errors import EventRejected
from stepwell.schemas.event_lines import LineFormat
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.json_schemas import Schema, json_schemas
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.kafka.publisher import EventPublisher, Position
from stepwell.streams.operator.queries import ensure_topics
from stepwell.streams.settings import Settings
from stepwell.streams.views import LineRefused, Published
from stepwell.streams.wiring import security_of, topics_of

UNDER_WAY_MAX = 256
TIMEOUT_MS = 30_000
"""How long Kafka may take to acknowledge a record."""
LINGER_MS = 5000
"""How long records that are under way may take when it is interrupted."""
_CHUNK_BYTES = 64 * 1024

Report = Callable[[Published | LineRefused], None]


def contract(settings: Settings) -> dict[str, Schema]:
    """Every public JSON Schema by name, and `asyncapi`, the document of this deployment."""
    return json_schemas() | {"asyncapi": asyncapi(topics_of(settings.kafka))}


async def publish(
    settings: Settings, source: BinaryIO, line_format: LineFormat, report: Report
) -> None:
    """Publish the lines of a stream in order; `report` is told of each what became of it.

    A line that is no event is refused and the next one taken. Raises `BrokerUnavailable` when Kafka
    is lost; lines from the first one refused for that reason may be published again.
    """
    await ensure_topics(settings)
    topic = topics_of(settings.kafka).events
    publisher = EventPublisher(
        settings.kafka.bootstrap,
        topic,
        timeout_ms=TIMEOUT_MS,
        security=security_of(settings.kafka),
    )
    under_way = _UnderWay(topic, report)
    lines = read_lines(source)
    reading = asyncio.ensure_future(anext(lines, None))
    number = 0
    try:
        await publisher.start()
        while (line := await under_way.next_line(reading)) is not None:
            reading = asyncio.ensure_future(anext(lines, None))
            number += 1
            if not line.strip():
                continue
            try:
                event, record = line_format.record(line, _new_id, datetime.now(UTC))
                under_way.add(_Sent(number, event, await publisher.hand_over(record)))
            except (EventRejected, BrokerUnavailable) as error:
                report(LineRefused(number, str(error)))
                if isinstance(error, BrokerUnavailable):
                    raise
        await under_way.finish()
    finally:
        reading.cancel()
        try:
            await under_way.give_up()
        finally:
            await publisher.stop()


async def read_lines(source: BinaryIO) -> AsyncIterator[bytes]:
    """The lines of a file or pipe; while a pipe has none, everything else goes on."""
    try:
        descriptor = source.fileno()
        mode = os.fstat(descriptor).st_mode
        waits = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)
    except OSError:  # a stream in memory has no descriptor
        waits = False
    if not waits:
        for line in source:
            yield line
        return
    begun: list[bytes] = []
    while chunk := await _read_ready(descriptor):
        first, *others = chunk.split(b"\n")
        begun.append(first)
        for following in others:
            yield b"".join(begun)
            begun = [following]
    if last := b"".join(begun):
        yield last


async def _read_ready(descriptor: int) -> bytes:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, _CHUNK_BYTES)


def _new_id() -> str:
    return str(uuid.uuid4())


class _Sent(NamedTuple):
    line: int
    event: CloudEvent
    stored: asyncio.Task[Position]


class _UnderWay:
    """Records that Kafka has not acknowledged, oldest first; each ends with a report.

    Waiting raises `BrokerUnavailable` when one was not stored.
    """

    def __init__(self, topic: str, report: Report) -> None:
        self._topic = topic
        self._report = report
        self._sent: deque[_Sent] = deque()

    def add(self, sent: _Sent) -> None:
        self._sent.append(sent)

    async def next_line(self, reading: asyncio.Future[bytes | None]) -> bytes | None:
        """What is read, once there is room for it; what ends meanwhile is told."""
        while not reading.done() or len(self._sent) >= UNDER_WAY_MAX:
            waiting: list[asyncio.Future[Any]] = [sent.stored for sent in islice(self._sent, 1)]
            if not reading.done():
                waiting.append(reading)
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            self._tell_finished()
        return reading.result()

    async def finish(self) -> None:
        """Wait for all of them."""
        while self._sent:
            await asyncio.wait([self._sent[0].stored])
            self._tell_finished()

    async def give_up(self) -> None:
        """Tell of what is left, after a short time to arrive."""
        if self._sent:
            await asyncio.wait([sent.stored for sent in self._sent], timeout=LINGER_MS / 1000)
        for sent in self._sent:
            self._tell(sent)
            sent.stored.cancel()
        self._sent.clear()

    def _tell_finished(self) -> None:
        while self._sent and self._sent[0].stored.done():
            sent = self._sent.popleft()
            self._tell(sent)
            if isinstance(error := sent.stored.exception(), BrokerUnavailable):
                raise error

    def _tell(self, sent: _Sent) -> None:
        if not sent.stored.done():
            self._report(LineRefused(sent.line, "not known to be stored: Kafka has not answered"))
        elif (error := sent.stored.exception()) is not None:
            self._report(LineRefused(sent.line, str(error)))
        else:
            position, event = sent.stored.result(), sent.event
            self._report(Published(sent.line, self._topic, *position, event.id, event.subject))
