"""The public event: CloudEvents 1.0 as one frozen record. Codecs are in `cloudevents.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict of those."""


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event on `stepwell.events`. `subject` is also the record key: what the event is about."""

    id: str
    source: str
    type: str
    subject: str
    data: Json
    time: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Received:
    """A `CloudEvent` together with where it lies in the log."""

    event: CloudEvent
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
