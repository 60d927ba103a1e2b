"""What starts which instances. Declared beside the workflow, decided without I/O."""

import fnmatch
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from stepwell.schemas.events import CloudEvent
from stepwell.schemas.parts import Lane
from stepwell.streams.engine.cron import check_cron
from stepwell.streams.engine.durations import Duration, to_ms
from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.engine.names import check_event_type, check_instance_id
from stepwell.streams.engine.state import TERMINAL

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


def subject_instance_id(event: CloudEvent) -> str:
    """One instance for each subject: the id for debounced triggers."""
    return str(uuid.uuid5(_NAMESPACE, f"subject\n{event.source}\n{event.subject}"))


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
    lane: Lane = Lane.LIVE
    debounce_ms: int = 0

    def matches(self, event: CloudEvent) -> bool:
        """Whether this event starts an instance."""
        return _matches(self.types, self.filter, event)

    def instance_for(self, event: CloudEvent) -> str:
        """The id of the instance that this event starts; the same for every delivery of it."""
        return check_instance_id(self.instance_id(event))


def on_event(
    *types: str,
    filter: Callable[[CloudEvent], bool] | None = None,  # noqa: A002 - reads best at the call site
    instance_id: Callable[[CloudEvent], str] | None = None,
    params: Callable[[CloudEvent], Any] = event_data,
    lane: Lane = Lane.LIVE,
    debounce: Duration | None = None,
) -> EventTrigger:
    """An `EventTrigger`: `on_event("com.github.issues.*", filter=lambda event: ...)`.

    With `debounce` one instance for each subject (or `instance_id`) starts so long after the last
    event, with the parameters of that one; an event that comes while it runs starts it once more.
    """
    debounce_ms = 0 if debounce is None else max(1, to_ms(debounce))
    instance_id = instance_id or (subject_instance_id if debounce_ms else event_instance_id)
    return EventTrigger(types, filter, instance_id, params, lane, debounce_ms)


@dataclass(frozen=True, slots=True)
class MessageTrigger:
    """Send each event whose type matches a pattern to an instance that waits for it."""

    types: tuple[str, ...]
    instance_id: Callable[[CloudEvent], str]
    filter: Callable[[CloudEvent], bool] | None = None
    type: str | None = None
    payload: Callable[[CloudEvent], Any] = event_data

    def matches(self, event: CloudEvent) -> bool:
        """Whether this event is sent on."""
        return _matches(self.types, self.filter, event)

    def instance_for(self, event: CloudEvent) -> str:
        """The id of the instance that gets it."""
        return check_instance_id(self.instance_id(event))


def send_on(
    *types: str,
    instance_id: Callable[[CloudEvent], str],
    filter: Callable[[CloudEvent], bool] | None = None,  # noqa: A002 - reads best at the call site
    type: str | None = None,  # noqa: A002 - reads best at the call site
    payload: Callable[[CloudEvent], Any] = event_data,
) -> MessageTrigger:
    """A `MessageTrigger`: `send_on("shop.order.paid", instance_id=lambda event: event.subject)`.

    The instance receives it under `type`, by default the type of the event.
    """
    if type is not None:
        check_event_type(type)
    return MessageTrigger(types, instance_id, filter, type, payload)


class CatchUp(StrEnum):
    """What is done about the times of a schedule that passed while nothing ran."""

    LATEST = "latest"
    """Start one instance, for the last of them."""
    ALL = "all"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class CronTrigger:
    """Start an instance at the times of a cron expression; its id is made of both."""

    cron: str
    time_zone: str = "UTC"
    params: Any = None
    catch_up: CatchUp = CatchUp.LATEST

    def __post_init__(self) -> None:
        check_cron(self.cron, self.time_zone)


def on_cron(
    cron: str, *, time_zone: str = "UTC", params: Any = None, catch_up: CatchUp = CatchUp.LATEST
) -> CronTrigger:
    """A `CronTrigger`: `on_cron("0 7 * * mon-fri", time_zone="Europe/Berlin")`."""
    return CronTrigger(cron, time_zone, params, CatchUp(catch_up))


@dataclass(frozen=True, slots=True)
class WorkflowTrigger:
    """Start an instance when one of another workflow ends with one of these statuses."""

    workflow: str
    statuses: tuple[str, ...]

    def __post_init__(self) -> None:
        for status in self.statuses:
            if status not in TERMINAL:
                raise InvalidDefinition(
                    f"on_workflow: {status!r} is not how an instance ends; write one of "
                    f"{', '.join(sorted(TERMINAL))}"
                )


def on_workflow(workflow: str, *statuses: str) -> WorkflowTrigger:
    """A `WorkflowTrigger`: `on_workflow("import-orders", "complete")`.

    The parameters are `{"instance", "status", "output", "error"}`, the id that of the instance.
    """
    return WorkflowTrigger(workflow, statuses or ("complete",))


Trigger: TypeAlias = EventTrigger | MessageTrigger | CronTrigger | WorkflowTrigger


def _matches(
    types: tuple[str, ...], wanted: Callable[[CloudEvent], bool] | None, event: CloudEvent
) -> bool:
    matches = any(fnmatch.fnmatchcase(event.type, pattern) for pattern in types)
    return matches and (wanted is None or wanted(event))
