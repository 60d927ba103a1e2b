"""Stores each event once: a delivery that was stored of late is recognised and not stored again.

The memory is a courtesy with a bound: what slips through starts nothing, because the event's id
names the instance.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from stepwell.schemas.cloudevents import EventRecord, Headers, encode, read_attributes
from stepwell.schemas.errors import EventRejected
from stepwell.schemas.events import CloudEvent
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.metrics import Metrics

REMEMBERED_MAX = 50_000
_DIGEST_BYTES = 16


class EventLog(Protocol):
    """Where events go. `stepwell.streams.kafka.publisher.EventPublisher` is the real one."""

    async def append(self, record: EventRecord) -> object:
        """Returns when the record is safe; raises `BrokerUnavailable` in time, `EventRejected`."""
        ...

    async def reachable(self) -> bool:
        """Whether the log answers right now."""
        ...


class Verdict(StrEnum):
    """What a delivery turned out to be."""

    FIRST = "first"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    """The same id with other content; the first one counts."""


@dataclass(slots=True)
class _Entry:
    digest: bytes
    stored: asyncio.Future[None] | None = None
    """Pending while the first delivery is being stored; None once it is."""


class Intake:
    """Appends events that are new among the newest `remembered_max`, by source and id."""

    def __init__(
        self, event_log: EventLog, metrics: Metrics, remembered_max: int = REMEMBERED_MAX
    ) -> None:
        self._event_log = event_log
        self._metrics = metrics
        self._remembered_max = remembered_max
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    async def store(self, event: CloudEvent) -> Verdict:
        """Append unless that was done; deliveries meanwhile wait for the outcome of the first.

        If the first one fails, all fail with its error and the id is free again.
        """
        return await self._store(event, encode(event))

    async def store_all(self, events: Sequence[CloudEvent]) -> list[Verdict]:
        """Append all of them: none, if one is refused; in order, those of one subject.

        When the log is unavailable some may be stored: the error asks for all of them again, and
        then those are recognised.
        """
        subjects: dict[str, list[tuple[int, EventRecord]]] = {}
        for number, event in enumerate(events):
            subjects.setdefault(event.subject, []).append((number, encode(event)))
        verdicts = [Verdict.FIRST] * len(events)

        async def store(entries: list[tuple[int, EventRecord]]) -> None:
            for number, record in entries:
                verdicts[number] = await self._store(events[number], record)

        outcomes = await asyncio.gather(*map(store, subjects.values()), return_exceptions=True)
        for error in outcomes:
            if error is not None:
                raise error
        return verdicts

    def contradicts(self, events: Iterable[CloudEvent]) -> bool:
        """Whether one of them has the id of another, stored or among them, and other content."""
        seen: dict[tuple[str, str], bytes] = {}
        for event in events:
            key, digest = (event.source, event.id), _digest(event.type, encode(event).value)
            known = self._entries.get(key)
            if seen.setdefault(key, known.digest if known else digest) != digest:
                return True
        return False

    async def _store(self, event: CloudEvent, record: EventRecord) -> Verdict:
        key = (event.source, event.id)
        digest = _digest(event.type, record.value)
        entry = self._entries.get(key)
        if entry is None:
            await self._store_first(key, digest, record)
            return Verdict.FIRST
        if entry.stored is not None:
            await asyncio.shield(entry.stored)
        if entry.digest != digest:
            self._metrics.duplicates.labels("gateway-conflict").inc()
            return Verdict.CONFLICT
        self._metrics.duplicates.labels("gateway").inc()
        return Verdict.DUPLICATE

    def remember(self, headers: Headers, value: bytes | None) -> None:
        """Take in a stored record; one that no gateway wrote is passed over."""
        try:
            attributes = read_attributes(headers)
        except EventRejected:
            return
        key = (attributes.get("source", ""), attributes.get("id", ""))
        if value is not None and all(key):
            self._put(key, _Entry(_digest(attributes.get("type", ""), value)))

    async def _store_first(self, key: tuple[str, str], digest: bytes, record: EventRecord) -> None:
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = _Entry(digest, stored)
        self._put(key, entry)
        try:
            with self._metrics.gateway.append_duration.time():
                await self._event_log.append(record)
        except BaseException as error:
            if self._entries.get(key) is entry:
                del self._entries[key]
            if not isinstance(error, BrokerUnavailable | EventRejected):
                error = BrokerUnavailable("the first delivery of this id was interrupted")
            stored.set_exception(error)
            stored.exception()  # nobody may be waiting; that is no mistake
            raise
        entry.stored = None
        stored.set_result(None)

    def _put(self, key: tuple[str, str], entry: _Entry) -> None:
        self._entries[key] = entry
        while len(self._entries) > self._remembered_max:
            self._entries.popitem(last=False)


def _digest(event_type: str, value: bytes) -> bytes:
    content = event_type.encode() + b"\n" + value
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
