"""What other systems hear of instances: a CloudEvent for each change of a status."""

from datetime import UTC, datetime

from stepwell.schemas import cloudevents
from stepwell.schemas.cloudevents import EventRecord
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.journal import InstanceErrored, InstanceKey, InstanceRecord
from stepwell.streams.engine.state import InstanceState

SOURCE = "stepwell"
TYPE_PREFIX = "stepwell.instance."


def lifecycle_event(
    key: InstanceKey, state: InstanceState | None, record: InstanceRecord
) -> EventRecord:
    """`stepwell.instance.<status>`, or `…deleted`; told again it has the same id."""
    status = "deleted" if state is None else str(state.status)
    at = record.at_ms if state is None else state.offset
    data = {"workflow": key.workflow, "instance": key.instance, "status": status}
    if isinstance(record, InstanceErrored):
        data["error"] = f"{record.error.name}: {record.error.message}"
    return cloudevents.encode(
        CloudEvent(
            id=f"{key}/{at}",
            source=SOURCE,
            type=f"{TYPE_PREFIX}{status}",
            subject=str(key),
            data=data,
            time=datetime.fromtimestamp(record.at_ms / 1000, tz=UTC).isoformat(),
        )
    )
