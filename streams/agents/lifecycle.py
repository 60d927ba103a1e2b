"""What other systems hear of instances: a CloudEvent for each change of a status."""

from stepwell.schemas import cloudevents, lifecycle
from stepwell.schemas.cloudevents import EventRecord
from stepwell.schemas.journal import InstanceErrored, InstanceKey, InstanceRecord
from stepwell.streams.engine.state import Status


def lifecycle_event(
    key: InstanceKey, status: Status | None, offset: int, record: InstanceRecord
) -> EventRecord:
    """`stepwell.instance.<status>`, or `…deleted`; told again it has the same id."""
    error = None
    if isinstance(record, InstanceErrored):
        error = f"{record.error.name}: {record.error.message}"
    name = lifecycle.DELETED if status is None else status.value
    event = lifecycle.lifecycle_event(key, name, offset=offset, at_ms=record.at_ms, error=error)
    return cloudevents.encode(event)
