"""Events of any type as documents, by JSON pointers: what a deployment says, no code."""

import fnmatch
from dataclasses import dataclass

from stepwell.schemas.documents import Document
from stepwell.schemas.envelope import RFC3339, document_of_event
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent, Json
from stepwell.schemas.json_pointer import MISSING, look_up
from stepwell.schemas.texts import (
    BODY_BYTES_MAX,
    LABEL_BYTES_MAX,
    LABELS_MAX,
    TITLE_BYTES_MAX,
    clean,
    clip,
)

OTHER_BYTES_MAX = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentMapping:
    """Where the fields of a document lie in an event, seen as one JSON object (structured mode).

    What begins with "/" is a JSON pointer; anything else is the text itself.
    """

    type: str
    """Of the documents; also begins their keys."""
    events: str
    """Pattern of the event types; `*` is a wildcard."""
    removed: str = ""
    """Pattern of those among them after which the document is gone."""
    id: str = "/subject"
    updated_at: str = "/time"
    title: str = ""
    body: str = ""
    url: str = ""
    state: str = ""
    repo: str = ""
    labels: str = ""

    def is_removal(self, event: CloudEvent) -> bool:
        """Whether the document has ceased to exist."""
        return fnmatch.fnmatchcase(event.type, self.removed)

    def document(self, event: CloudEvent) -> Document:
        """The document of an event; raises `EventRejected` naming pointer, setting and event."""
        reading = _Reading(self, event)
        gone = self.is_removal(event)
        return Document(
            key=f"{self.type}:{reading.text('id', OTHER_BYTES_MAX, needed=True)}",
            type=self.type,
            repo=reading.text("repo", OTHER_BYTES_MAX),
            number=0,
            title="" if gone else reading.text("title", TITLE_BYTES_MAX, present=True),
            body="" if gone else reading.text("body", BODY_BYTES_MAX, present=True),
            state=reading.text("state", OTHER_BYTES_MAX),
            url=reading.text("url", OTHER_BYTES_MAX),
            updated_at=reading.time("updated_at"),
            labels=reading.texts("labels"),
        )


class _Reading:
    """One event, read by one mapping."""

    def __init__(self, mapping: DocumentMapping, event: CloudEvent) -> None:
        self._mapping = mapping
        self._event = event
        self._document = document_of_event(event)

    def text(
        self, field: str, bytes_max: int, *, needed: bool = False, present: bool = False
    ) -> str:
        """The text or number of a field; `present`: null will do, nothing at all will not."""
        found = self._find(field)
        empty = found is None or found == "" or (found is MISSING and not present)
        if empty and not needed:
            return ""
        if empty or isinstance(found, bool) or not isinstance(found, str | int | float):
            raise self._refusal(field, "text expected", found)
        return clip(clean(str(found)), bytes_max)[0]

    def time(self, field: str) -> str:
        """The RFC 3339 time of a field."""
        found = self._find(field)
        if not isinstance(found, str) or not RFC3339.fullmatch(found):
            raise self._refusal(field, "RFC 3339 time expected", found)
        return found

    def texts(self, field: str) -> tuple[str, ...]:
        """The texts of a field that holds a list."""
        found = self._find(field)
        if found in (MISSING, None, ""):
            return ()
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self._refusal(field, "list of texts expected", found)
        return tuple(clip(clean(one), LABEL_BYTES_MAX)[0] for one in found[:LABELS_MAX])

    def _find(self, field: str) -> Json:
        place: str = getattr(self._mapping, field)
        return look_up(self._document, place) if place.startswith("/") else place

    def _refusal(self, field: str, wanted: str, found: Json) -> EventRejected:
        shown = "nothing" if found is MISSING else "an empty text" if found == "" else None
        return EventRejected(
            RejectReason.SHAPE,
            f"{getattr(self._mapping, field)} (content.documents.{self._mapping.type}.{field}): "
            f"{wanted}, found {shown or type(found).__name__}, in event {self._event.type!r} "
            f"{self._event.id!r}",
        )
