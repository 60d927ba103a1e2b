"""A Kafka record as the agents see it, and the dead letter that it may become."""

from collections.abc import Callable
from dataclasses import dataclass

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record as it came: bytes, and where it lay."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a record could not be processed: at which stage, for what reason, with what message."""

    stage: str
    reason: str
    message: str


MESSAGE_LENGTH_MAX = 1024

DeadLetters = Callable[[RawRecord, Failure], None]
"""Sends a record to dead letters; a failed delivery ends the worker, so nothing is lost."""


def dead_letter_headers(record: RawRecord, failure: Failure, now_ms: int) -> Headers:
    """The record's own headers, then ours. Headers of an earlier failure stay: the first cause."""
    ours = {
        "stepwell-topic": record.topic,
        "stepwell-partition": str(record.partition),
        "stepwell-offset": str(record.offset),
        "stepwell-timestamp": str(record.timestamp_ms),
        "stepwell-stage": failure.stage,
        "stepwell-reason": failure.reason,
        "stepwell-message": failure.message[:MESSAGE_LENGTH_MAX],
        "stepwell-first-failed-at": str(now_ms),
    }
    present = {name for name, _ in record.headers}
    added = tuple((name, text.encode()) for name, text in ours.items() if name not in present)
    return record.headers + added
