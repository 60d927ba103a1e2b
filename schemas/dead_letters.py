"""Dead letters: records that could not be processed, as they came, with the reason in headers.

Header names that begin with `stepwell-` are ours. One that came from somebody else is kept under
another name (`foreign-stepwell-…`), so it is not taken for ours, and gets its name back when the
record is retried. A record of the topic that has `stepwell-resolves` is no letter: it says what
became of an earlier one of its partition.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from stepwell.schemas.parts import LATEST_MS

PREFIX = "stepwell-"
RESOLVES = "stepwell-resolves"
MESSAGE_BYTES_MAX = 1024
TEXT_BYTES_MAX = 256
"""Of names: reasons, workflows, instances."""

_RESERVED = re.compile(r"(?:foreign-)*stepwell-", re.IGNORECASE)
_FOREIGN = "foreign-"
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_ID = re.compile(r"(\d{1,9}):(\d{1,18})", re.ASCII)

_ATTEMPTS = "stepwell-attempts"
_FIRST_REASON = "stepwell-first-reason"
_FIRST_FAILED = "stepwell-first-failed-at"
_TRAVELLING = frozenset({_ATTEMPTS, _FIRST_REASON, _FIRST_FAILED})
"""What a retried record carries: they come back with the next letter, should it fail again."""

Headers = tuple[tuple[str, bytes | None], ...]


class LetterId(NamedTuple):
    """Where a letter lies in the dead-letter topic: its name."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of `partition:offset`; raises `ValueError`."""
        found = _ID.fullmatch(text)
        if not found:
            raise ValueError(f"{text[:50]!r} names no dead letter; write PARTITION:OFFSET")
        return cls(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a record could not be processed: at which stage, for what reason."""

    stage: str
    reason: str
    message: str
    exception: str = ""
    """The class of the error, when it came out of somebody's code."""
    workflow: str = ""
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the record lay; offset -1 when the letter does not say."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often a record has failed, and why at first. Retried records carry it."""

    attempts: int
    first_reason: str
    first_failed_ms: int


@dataclass(frozen=True, slots=True)
class Letter:
    """What the headers of a letter say."""

    source: Source
    failure: Failure
    repeats: Repeats
    failed_ms: int
    app_version: str
    whole_bytes: int | None = None
    """When the value was too large for a letter: its real size. The letter holds its beginning."""


class Outcome(StrEnum):
    """What became of a letter."""

    RETRIED = "retried"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Resolution:
    """A letter was retried or discarded."""

    letter: LetterId
    outcome: Outcome
    at_ms: int
    retried_as: str = ""
    """Where the record lies now: `partition:offset` of its topic."""
    note: str = ""


# --- letters ----------------------------------------------------------------------------------


def letter_headers(letter: Letter, record_headers: Headers) -> Headers:
    """The headers of a letter: those of the record that failed, then ours."""
    source, failure, repeats = letter.source, letter.failure, letter.repeats
    ours = {
        "topic": source.topic,
        "partition": source.partition,
        "offset": source.offset,
        "timestamp": source.timestamp_ms,
        "stage": failure.stage,
        "reason": _cut(failure.reason, TEXT_BYTES_MAX),
        "exception": _cut(failure.exception, TEXT_BYTES_MAX),
        "message": _cut(failure.message, MESSAGE_BYTES_MAX),
        "workflow": _cut(failure.workflow, TEXT_BYTES_MAX),
        "instance": _cut(failure.instance, TEXT_BYTES_MAX),
        "attempts": repeats.attempts,
        "first-reason": _cut(repeats.first_reason, TEXT_BYTES_MAX),
        "first-failed-at": repeats.first_failed_ms,
        "failed-at": letter.failed_ms,
        "app-version": letter.app_version,
        "value-bytes": "" if letter.whole_bytes is None else letter.whole_bytes,
    }
    return (*_disguised(record_headers), *_written(ours))


def read_letter(headers: Iterable[tuple[str, bytes | None]]) -> Letter:
    """What the headers say; what is missing or unreadable is empty, 0 or -1."""
    texts = _texts(headers)
    repeats = _repeats(texts)
    failure = Failure(
        stage=texts.get("stage", ""),
        reason=texts.get("reason", ""),
        message=texts.get("message", ""),
        exception=texts.get("exception", ""),
        workflow=texts.get("workflow", ""),
        instance=texts.get("instance", ""),
    )
    source = Source(
        texts.get("topic", ""),
        _number(texts, "partition", -1),
        _number(texts, "offset", -1),
        _number(texts, "timestamp", -1),
    )
    return Letter(
        source,
        failure,
        repeats or Repeats(1, failure.reason, 0),
        _time_ms(texts, "failed-at"),
        texts.get("app-version", ""),
        _number(texts, "value-bytes", -1) if "value-bytes" in texts else None,
    )


def read_repeats(headers: Iterable[tuple[str, bytes | None]]) -> Repeats | None:
    """The earlier repeats of a retried record; None when it is none."""
    return _repeats(_texts(headers))


def retry_headers(letter: Letter, headers: Headers) -> Headers:
    """The headers of the record as they were, and how often it has failed."""
    repeats = letter.repeats
    carried = {
        "attempts": repeats.attempts,
        "first-reason": repeats.first_reason,
        "first-failed-at": repeats.first_failed_ms,
    }
    return (*_original(headers), *_written(carried))


# --- resolutions ------------------------------------------------------------------------------


def resolution_headers(resolution: Resolution) -> Headers:
    """The headers of the record that marks a letter; it has the key of the letter, no content."""
    return _written(
        {
            "resolves": str(resolution.letter),
            "resolution": resolution.outcome,
            "resolved-at": resolution.at_ms,
            "retried-as": resolution.retried_as,
            "note": _cut(resolution.note, MESSAGE_BYTES_MAX),
        }
    )


def read_resolution(headers: Iterable[tuple[str, bytes | None]]) -> Resolution | None:
    """What a record of the topic resolves; None when it is a letter."""
    texts = _texts(headers)
    if "resolves" not in texts:
        return None
    try:
        letter, outcome = LetterId.parse(texts["resolves"]), Outcome(texts.get("resolution", ""))
    except ValueError:
        return None
    at_ms = _time_ms(texts, "resolved-at")
    return Resolution(letter, outcome, at_ms, texts.get("retried-as", ""), texts.get("note", ""))


# --- inside -----------------------------------------------------------------------------------


def _disguised(headers: Headers) -> Headers:
    kept = (pair for pair in headers if pair[0] not in _TRAVELLING)
    return tuple(
        (f"{_FOREIGN}{name}" if _RESERVED.match(name) else name, value) for name, value in kept
    )


def _original(headers: Headers) -> Headers:
    theirs = (pair for pair in headers if not pair[0].lower().startswith(PREFIX))
    return tuple(
        (name[len(_FOREIGN) :] if _RESERVED.match(name) else name, value) for name, value in theirs
    )


def _texts(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Ours, without their prefix; of equal ones the first."""
    texts: dict[str, str] = {}
    for name, value in headers:
        if name.startswith(PREFIX) and value is not None:
            texts.setdefault(name[len(PREFIX) :], value.decode(errors="replace"))
    return texts


def _repeats(texts: Mapping[str, str]) -> Repeats | None:
    attempts = _number(texts, "attempts", 0)
    if attempts == 0:
        return None
    first_reason = _cut(texts.get("first-reason", ""), TEXT_BYTES_MAX)
    return Repeats(attempts, first_reason, _time_ms(texts, "first-failed-at"))


def _number(texts: Mapping[str, str], name: str, default: int) -> int:
    text = texts.get(name, "")
    return int(text) if _NUMBER.fullmatch(text) else default


def _time_ms(texts: Mapping[str, str], name: str) -> int:
    """Within a calendar: others may have written any number."""
    return min(_number(texts, name, 0), LATEST_MS)


def _written(ours: Mapping[str, object]) -> Headers:
    """Empty ones are left out."""
    texts = ((name, str(value)) for name, value in ours.items())
    return tuple((PREFIX + name, text.encode(errors="replace")) for name, text in texts if text)


def _cut(text: str, bytes_max: int) -> str:
    return text.encode(errors="replace")[:bytes_max].decode(errors="ignore")
