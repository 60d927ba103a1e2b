"""Errors of this package.

SchemaError
├── EventRejected       bytes that are no event of ours: to dead letters, or back as 400
└── JournalCorrupt      a journal record that this version cannot read
"""

from dataclasses import dataclass
from enum import StrEnum


class RejectReason(StrEnum):
    """Why an event was refused; the value is the metric label and the dead-letter reason."""

    DECODE = "decode"
    FRAMING = "framing"
    VERSION = "version"
    ATTRIBUTE = "attribute"
    SHAPE = "shape"
    KEY = "key"
    SIZE = "size"


class SchemaError(Exception):
    """Base of every error raised by `stepwell.schemas`."""


@dataclass(eq=False)
class EventRejected(SchemaError):
    """The bytes are not an event of ours; `detail` says what was wrong and where."""

    reason: RejectReason
    detail: str

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}"


@dataclass(eq=False)
class JournalCorrupt(SchemaError):
    """A journal record cannot be read; `detail` names the field or the version."""

    detail: str
    reason: RejectReason = RejectReason.DECODE

    def __str__(self) -> str:
        return self.detail
