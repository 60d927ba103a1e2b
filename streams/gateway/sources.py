"""The port for kinds of webhooks: a source proves who sent a delivery and maps it to an event."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, TypeAlias

from multidict import CIMultiDictProxy

from stepwell.schemas.events import CloudEvent
from stepwell.schemas.github import Ignored
from stepwell.streams.gateway.problems import Problem, Reason, bad_header

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
        return values[0].strip() if values else None


@dataclass(frozen=True, slots=True)
class Pong:
    """A test delivery that only wants an answer."""


Outcome: TypeAlias = CloudEvent | Ignored | Pong


class Source(Protocol):
    """A kind of webhook, reached at `/webhooks/<name>`."""

    def accept(self, delivery: Delivery) -> Outcome:
        """Verify the raw body, then parse it; raises `Problem` or `EventRejected`."""
        ...


def unsupported_media_type(expected: str) -> Problem:
    """The body is of a kind that the source does not take."""
    return Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Reason.MEDIA_TYPE, f"Content-Type: send {expected}"
    )
