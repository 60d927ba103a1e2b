"""What lies in the dead-letter topic: letters, and what became of them. A fold over its records."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from stepwell.schemas.dead_letters import (
    Headers,
    Letter,
    LetterId,
    Resolution,
    read_letter,
    read_resolution,
)
from stepwell.streams.views import LetterQuery, LetterView

OPEN = "open"
KEY_BYTES_SHOWN = 200


@dataclass(frozen=True, slots=True)
class LetterRecord:
    """A record of the topic as it was read."""

    at: LetterId
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Filed:
    """A letter without its value."""

    at: LetterId
    letter: Letter
    view: LetterView
    key: bytes | None
    subject: bytes | None


class Shelf:
    """Takes the records of the topic in the order of each partition; contents are not kept."""

    def __init__(self) -> None:
        self._filed: dict[LetterId, Filed] = {}

    def take(self, record: LetterRecord) -> None:
        """File a letter, or note what became of one; the last word counts."""
        resolution = read_resolution(record.headers)
        if resolution is None:
            self._filed[record.at] = _filed(record)
            return
        filed = self._filed.get(resolution.letter)
        if filed and record.at.partition == filed.at.partition:  # else their order is not known
            self._filed[filed.at] = replace(filed, view=_resolved(filed.view, resolution))

    def find(self, at: LetterId) -> Filed | None:
        """The letter of that name."""
        return self._filed.get(at)

    def select(self, query: LetterQuery) -> Iterator[Filed]:
        """Those that fit, newest first."""
        newest = sorted(
            self._filed.values(), key=lambda filed: (filed.view.failed_ms, filed.at), reverse=True
        )
        return (filed for filed in newest if _fits(filed, query))


def _filed(record: LetterRecord) -> Filed:
    letter = read_letter(record.headers)
    failure, source, repeats = letter.failure, letter.source, letter.repeats
    subject = next((value for name, value in record.headers if name == "ce_subject"), None)
    view = LetterView(
        letter=str(record.at),
        state=OPEN,
        stage=failure.stage,
        reason=failure.reason,
        exception=failure.exception,
        message=failure.message,
        workflow=failure.workflow,
        instance=failure.instance,
        topic=source.topic,
        partition=source.partition,
        offset=source.offset,
        timestamp_ms=source.timestamp_ms,
        failed_ms=letter.failed_ms or record.timestamp_ms,
        attempts=repeats.attempts,
        first_reason=repeats.first_reason,
        first_failed_ms=repeats.first_failed_ms or record.timestamp_ms,
        app_version=letter.app_version,
        key=(record.key or b"")[:KEY_BYTES_SHOWN].decode(errors="replace"),
        value_bytes=len(record.value or b""),
        whole_bytes=letter.whole_bytes,
    )
    return Filed(record.at, letter, view, record.key, subject)


def _resolved(view: LetterView, resolution: Resolution) -> LetterView:
    return replace(
        view,
        state=resolution.outcome,
        resolved_ms=resolution.at_ms,
        retried_as=resolution.retried_as,
        note=resolution.note,
    )


def _fits(filed: Filed, query: LetterQuery) -> bool:
    view, subject = filed.view, query.subject
    return (
        (query.resolved_too or view.state == OPEN)
        and query.reason in (None, view.reason)
        and query.topic in (None, view.topic)
        and (query.since_ms is None or view.failed_ms >= query.since_ms)
        and (subject is None or subject.encode() in (filed.key, filed.subject))
    )
