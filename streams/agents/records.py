"""A Kafka record as the agents see it, and the dead letter that it may become."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from stepwell.schemas.dead_letters import (
    Failure,
    Headers,
    Letter,
    Repeats,
    Source,
    letter_headers,
    read_repeats,
)
from stepwell.schemas.parts import LATEST_MS

LETTER_BYTES_MAX = 2 * 1024 * 1024 - 64 * 1024
"""What every dead-letter topic holds, with room for the envelope."""
CUT_VALUE_BYTES = 64 * 1024
CUT_KEY_BYTES = 1024
"""What is left of a record that is larger."""


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

    @property
    def at_ms(self) -> int:
        """Its timestamp, within a calendar: a producer may have written any number."""
        return min(max(self.timestamp_ms, 0), LATEST_MS)


class DeadLetter(NamedTuple):
    """A record of the dead-letter topic."""

    key: bytes | None
    value: bytes | None
    headers: Headers


DeadLetters = Callable[[RawRecord, Failure], None]
"""Sends a record to dead letters; a failed delivery ends the worker, so nothing is lost."""


def dead_letter(
    record: RawRecord, failure: Failure, *, now_ms: int, app_version: str
) -> DeadLetter:
    """The letter of a record: its bytes and headers, then our headers.

    A record that was retried and fails again keeps count, and its first reason. One that is too
    large for a letter is cut; where the whole of it lies is in the headers.
    """
    before = read_repeats(record.headers)
    repeats = (
        Repeats(before.attempts + 1, before.first_reason, before.first_failed_ms)
        if before
        else Repeats(1, failure.reason, now_ms)
    )
    source = Source(record.topic, record.partition, record.offset, record.timestamp_ms)
    letter = Letter(source, failure, repeats, now_ms, app_version)
    whole = DeadLetter(record.key, record.value, letter_headers(letter, record.headers))
    if _size(whole) <= LETTER_BYTES_MAX:
        return whole
    letter = Letter(source, failure, repeats, now_ms, app_version, len(record.value or b""))
    key = None if record.key is None else record.key[:CUT_KEY_BYTES]
    value = None if record.value is None else record.value[:CUT_VALUE_BYTES]
    cut = DeadLetter(key, value, letter_headers(letter, record.headers))
    if _size(cut) <= LETTER_BYTES_MAX:
        return cut
    return DeadLetter(key, value, letter_headers(letter, ()))


def _size(letter: DeadLetter) -> int:
    headers = sum(len(name) + len(value or b"") + 8 for name, value in letter.headers)
    return len(letter.key or b"") + len(letter.value or b"") + headers
