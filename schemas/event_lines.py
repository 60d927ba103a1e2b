"""Events from lines of JSON: a line is a whole event in structured form, or the data of one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from stepwell.schemas.cloudevents import EventRecord, encode
from stepwell.schemas.envelope import event_of_document
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent, Json
from stepwell.schemas.json_pointer import text_at
from stepwell.schemas.strict_json import parse_unique

DEFAULT_SOURCE = "stepwell-publish"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFormat:
    """What a line is. With a `type` it is the data of an event, otherwise all of it.

    Places in the data are JSON pointers, or names of members.
    """

    type: str | None = None
    source: str = DEFAULT_SOURCE
    subject: str | None = None
    """The subject of all events, where lines are data."""
    id_field: str | None = None
    """Where the data has the id; made up otherwise."""
    key: str | None = None
    """Where the data has the subject, which is the key of the record; of whole events too."""
    headers: tuple[tuple[str, str], ...] = ()
    """More headers for every record."""

    def record(
        self, line: bytes, new_id: Callable[[], str], now: datetime
    ) -> tuple[CloudEvent, EventRecord]:
        """The event of a line and its record; raises `EventRejected`.

        Where lines are data, what is not in them is made up: an id, and `now` as the time.
        """
        document = parse_unique(line)
        if self.type is None:
            event = event_of_document(document)
        else:
            event = self._event(document, new_id, now)
        if self.key is not None:
            event = replace(event, subject=_needed(event.data, self.key))
        key, value, headers = encode(event)
        added = [(name, text.encode()) for name, text in self.headers]
        return event, EventRecord(key, value, headers + added)

    def _event(self, data: Json, new_id: Callable[[], str], now: datetime) -> CloudEvent:
        event_id = new_id() if self.id_field is None else _needed(data, self.id_field)
        return CloudEvent(
            id=event_id,
            source=self.source,
            type=self.type or "",
            subject=self.subject or event_id,
            data=data,
            time=now.isoformat(),
        )


def _needed(data: Json, place: str) -> str:
    escaped = place.replace("~", "~0").replace("/", "~1")
    found = text_at(data, place if place.startswith("/") else f"/{escaped}")
    if not found:
        detail = f"data has no text or whole number at {place}"
        raise EventRejected(RejectReason.SHAPE, detail)
    return found
