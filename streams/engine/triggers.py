"""Which events start which instances. Declared beside the workflow, decided without I/O."""

import fnmatch
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stepwell.schemas.events import CloudEvent
from stepwell.streams.engine.names import check_instance_id

_NAMESPACE = uuid.UUID("6f1d2a52-8d3e-5b5c-9d3c-0b6a3f2d7c11")


def event_instance_id(event: CloudEvent) -> str:
    """The default instance id: the event's id where that is a UUID, else one made of source and id.

    Only source and id together are unique among CloudEvents; a UUID is unique by itself, and then
    the instance can be found by the delivery id that its sender shows.
    """
    try:
        return str(uuid.UUID(event.id))
    except ValueError:
        return str(uuid.uuid5(_NAMESPACE, f"{event.source}\n{event.id}"))


def event_data(event: CloudEvent) -> Any:
    """The default parameters: the data of the event."""
    return event.data


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """Start an instance for each event whose type matches a pattern (`*` is a wildcard)."""

    types: tuple[str, ...]
    filter: Callable[[CloudEvent], bool] | None = None
    instance_id: Callable[[CloudEvent], str] = event_instance_id
    params: Callable[[CloudEvent], Any] = event_data

    def matches(self, event: CloudEvent) -> bool:
        """Whether this event starts an instance."""
        wanted = any(fnmatch.fnmatchcase(event.type, pattern) for pattern in self.types)
        return wanted and (self.filter is None or self.filter(event))

    def instance_for(self, event: CloudEvent) -> str:
        """The id of the instance that this event starts; the same for every delivery of it."""
        return check_instance_id(self.instance_id(event))


def on_event(
    *types: str,
    filter: Callable[[CloudEvent], bool] | None = None,  # noqa: A002 - reads best at the call site
    instance_id: Callable[[CloudEvent], str] = event_instance_id,
    params: Callable[[CloudEvent], Any] = event_data,
) -> EventTrigger:
    """An `EventTrigger`: `on_event("com.github.issues.*", filter=lambda event: ...)`."""
    return EventTrigger(types, filter, instance_id, params)
