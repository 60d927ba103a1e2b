"""Events and the waits for them: each event goes to one wait, in the order of both.

A wait takes the oldest kept event that fits, else it stands in line; an event goes to the first
wait in line that it fits, else it is kept.
"""

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from stepwell.schemas.commands import EventReceived
from stepwell.schemas.events import Json


class Waiter(Protocol):
    """What a wait asks for."""

    @property
    def event_type(self) -> str:
        """The type of the event."""
        ...

    @property
    def match(self) -> Mapping[str, Json]:
        """The values that its payload must have, by path."""
        ...


W = TypeVar("W", bound=Waiter)


class Mailbox(Generic[W]):
    """The events of one run that nobody has taken, and the waits that have got none."""

    def __init__(self) -> None:
        self.kept: list[EventReceived] = []
        self._numbers: list[int] = []
        self._offered = 0
        self._waiting: list[W] = []

    @property
    def left(self) -> tuple[int, tuple[int, ...]]:
        """How many events were offered, and the numbers, from 0, of those that are kept."""
        return self._offered, tuple(self._numbers)

    def offer(self, event: EventReceived) -> W | None:
        """The wait that gets this event, which leaves the line; None: the event is kept."""
        self._offered += 1
        for waiter in self._waiting:
            if fits(waiter, event):
                self._waiting.remove(waiter)
                return waiter
        self.kept.append(event)
        self._numbers.append(self._offered - 1)
        return None

    def wait(self, waiter: W) -> EventReceived | None:
        """The kept event that this wait gets; None: it stands in line now."""
        for place, event in enumerate(self.kept):
            if fits(waiter, event):
                del self.kept[place], self._numbers[place]
                return event
        self._waiting.append(waiter)
        return None

    def leave(self, waiter: W) -> None:
        """This wait was cancelled or timed out; no-op when it is not in line."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)


def fits(waiter: Waiter, event: EventReceived) -> bool:
    """Whether the event has the type, and at every path of `match` the value, that is waited for.

    A path is the names of nested objects with dots between: `"order.id"`.
    """
    return event.type == waiter.event_type and all(
        _at(event.payload, path) == value for path, value in waiter.match.items()
    )


def _at(payload: Json, path: str) -> Json:
    for name in path.split("."):
        if not isinstance(payload, dict) or name not in payload:
            return _ABSENT
        payload = payload[name]
    return payload


_ABSENT = object()
