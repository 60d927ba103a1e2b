"""The port for kinds of webhooks: a source proves who sent a delivery and maps it to an event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol, TypeAlias

from multidict import CIMultiDictProxy

from stepwell.schemas.events import CloudEvent
from stepwell.schemas.github import Ignored
from stepwell.streams.gateway.problems import Problem, Reason, bad_header
from stepwell.streams.settings import SignedSourceSettings

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request to a source: its headers, its raw body, when it came."""

    headers: CIMultiDictProxy[str]
    content_type: str
    """Without parameters, lower case."""
    body: bytes
    now_s: float

    def header(self, name: str) -> str | None:
        """The value of a header, None if it is missing; twice is refused, for which one counts?"""
        values = self.headers.getall(name, [])
        if len(values) > 1:
            raise bad_header(f"header {name} is there {len(values)} times")
        if values and not _is_unicode(values[0]):
            raise bad_header(f"header {name} is not UTF-8")
        return values[0].strip() if values else None


@dataclass(frozen=True, slots=True)
class Pong:
    """A test delivery that only wants an answer."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Several events in one delivery: all are stored, or the delivery is refused."""

    events: tuple[CloudEvent, ...]


Outcome: TypeAlias = CloudEvent | Batch | Ignored | Pong


class Source(Protocol):
    """A kind of delivery; webhooks are reached at `/webhooks/<name>`."""

    def accept(self, delivery: Delivery) -> Outcome:
        """Verify the raw body, then parse it; raises `Problem` or `EventRejected`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesConfig:
    """What the kinds of webhooks need to know; secrets are kept out of its `repr`."""

    github_secrets: tuple[str, ...] = field(default=(), repr=False)
    standard_secrets: tuple[str, ...] = field(default=(), repr=False)
    signed_sources: Mapping[str, SignedSourceSettings] = field(default_factory=dict)
    signed_secrets: tuple[str, ...] = field(default=(), repr=False)
    """Each as `name:secret`."""
    github_comments: bool = False
    """Whether comments on issues become events."""


def _is_unicode(text: str) -> bool:
    """Whether it can be encoded: bytes that were no UTF-8 are kept as halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unsupported_media_type(expected: str) -> Problem:
    """The body is of a kind that the source does not take."""
    return Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Reason.MEDIA_TYPE, f"Content-Type: send {expected}"
    )
