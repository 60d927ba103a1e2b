"""What the topics hold of a subject. A fold: takes the events first, then the journal, then others.

An instance is of the subject when an event about it created it, or when it is a child or follower
of one that is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stepwell.schemas import cloudevents, codec
from stepwell.schemas.commands import EventReceived
from stepwell.schemas.errors import EventRejected, JournalCorrupt
from stepwell.schemas.journal import InstanceCreated
from stepwell.schemas.parts import LATEST_MS
from stepwell.streams.engine.triggers import event_instance_id
from stepwell.streams.views import Remainder

_TELLING = (b'"InstanceCreated"', b'"EventReceived"')
"""Kinds of journal records that say whose an instance is; the others need not be read."""
_HEAD_BYTES = 64
_NUL = b"\x00"


class LogRecord(Protocol):
    """A record as consumers get it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Kept:
    """How a topic gets rid of records: after a time, by compaction, or never."""

    retention_ms: int | None = None
    compacted: bool = False


@dataclass(slots=True)
class _Span:
    """Where in a partition such records lie."""

    first_offset: int
    last_offset: int = 0
    newest_ms: int = 0
    records: int = 0

    def take(self, record: LogRecord) -> None:
        self.last_offset = record.offset
        self.newest_ms = min(max(self.newest_ms, record.timestamp), LATEST_MS)
        self.records += 1


@dataclass(slots=True)
class _Trail:
    """What is known of an instance from all its records."""

    subject: str = ""
    sprung_from: str = ""
    """Its parent, or the instance that it follows."""
    events: set[str] = field(default_factory=set)
    spans: dict[int, _Span] = field(default_factory=dict)


class Traces:
    """Of one subject."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._events: set[str] = set()
        self._trails: dict[bytes, _Trail] = {}
        self._spans: dict[tuple[str, int], _Span] = {}
        self._keys: frozenset[bytes] = frozenset()

    def take_event(self, record: LogRecord) -> None:
        """A record of the events topic."""
        about = self._subject.encode()
        if record.key == about or about in (record.value or b"") or _has(record, about):
            try:
                event = cloudevents.decode(record.key, record.value, record.headers)
            except EventRejected:
                event = None
            if event is not None and event.subject == self._subject:
                self._events.add(event_instance_id(event))
            elif record.key != about:
                return
            self._note(record)

    def take_journal(self, record: LogRecord) -> None:
        """A record of the journal."""
        trail = self._trails.setdefault(record.key or b"", _Trail())
        trail.spans.setdefault(record.partition, _Span(record.offset)).take(record)
        value = record.value or b""
        if not any(kind in value[:_HEAD_BYTES] for kind in _TELLING):
            return
        try:
            told = codec.decode(value)
        except JournalCorrupt:
            return
        if isinstance(told, EventReceived):
            trail.events.add(told.event_id)
        elif isinstance(told, InstanceCreated):
            trail.subject = told.origin.subject if told.origin else trail.subject
            trail.sprung_from = _sprung_from(told) or trail.sprung_from

    def settle(self, journal: str) -> None:
        """All events and all of the journal were taken: whose the instances are is known now."""
        own = {key for key, trail in self._trails.items() if trail.subject == self._subject}
        before = -1
        while len(own) > before:
            before = len(own)
            own |= {k for k, trail in self._trails.items() if trail.sprung_from.encode() in own}
        self._keys = frozenset(own)
        for key in own:
            for partition, span in self._trails[key].spans.items():
                self._merge((journal, partition), span)

    def take_keyed(self, record: LogRecord) -> None:
        """A record of a topic whose keys begin with those of instances; tombstones hold nothing."""
        key = (record.key or b"").partition(_NUL)[0]
        if key in self._keys and record.value is not None:
            self._note(record)

    def take_letter(self, record: LogRecord) -> None:
        """A record of the dead-letter topic that is about the subject or one of its instances."""
        about = self._subject.encode()
        if record.key == about or _has(record, about) or record.key in self._keys:
            self._note(record)

    @property
    def instances(self) -> list[str]:
        """The instances of the subject, those that are gone too."""
        return sorted(key.decode(errors="replace") for key in self._keys)

    @property
    def touched(self) -> list[str]:
        """Instances that something else created, but which got an event about the subject."""
        return sorted(
            key.decode(errors="replace")
            for key, trail in self._trails.items()
            if key not in self._keys and trail.events & self._events
        )

    def remains(self, kept: Mapping[str, Kept]) -> Iterator[Remainder]:
        """Where records of the subject lie, and for how long topics keep them."""
        for (topic, partition), span in sorted(self._spans.items()):
            rule = kept.get(topic, Kept())
            yield Remainder(
                topic,
                partition,
                span.first_offset,
                span.last_offset,
                span.records,
                None if rule.retention_ms is None else span.newest_ms + rule.retention_ms,
                rule.compacted,
            )

    # --- inside -------------------------------------------------------------------------------

    def _note(self, record: LogRecord) -> None:
        at = record.topic, record.partition
        self._spans.setdefault(at, _Span(record.offset)).take(record)

    def _merge(self, at: tuple[str, int], other: _Span) -> None:
        span = self._spans.setdefault(at, _Span(other.first_offset))
        span.first_offset = min(span.first_offset, other.first_offset)
        span.last_offset = max(span.last_offset, other.last_offset)
        span.newest_ms = max(span.newest_ms, other.newest_ms)
        span.records += other.records


def _has(record: LogRecord, subject: bytes) -> bool:
    return any(name.lower() == "ce_subject" and value == subject for name, value in record.headers)


def _sprung_from(created: InstanceCreated) -> str:
    if created.parent is not None:
        return created.parent.key
    params = created.params  # of followers, see runtime/relatives.py
    if created.origin is None and isinstance(params, dict) and "status" in params:
        return str(params.get("instance", ""))
    return ""
