"""What other systems hear of instances: one event for each change of a status."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from stepwell.schemas.envelope import schema_id
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.journal import InstanceKey

SCHEMA = "instance-lifecycle"
SOURCE = "stepwell"
TYPE_PREFIX = "stepwell.instance."
DELETED = "deleted"
"""No status: there is no instance any more."""
STATUSES = (
    "queued",
    "running",
    "waiting",
    "waitingForPause",
    "paused",
    "errored",
    "terminated",
    "complete",
    DELETED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceChanged:
    """The data of a lifecycle event."""

    workflow: str
    """The name of the workflow."""
    instance: str
    """The id of the instance."""
    status: str
    """The status that it has now, or `deleted`; be ready for others."""
    error: str | None = None
    """Name and message of the error, when it is errored."""


def lifecycle_event(
    key: InstanceKey, status: str, *, offset: int, at_ms: int, error: str | None = None
) -> CloudEvent:
    """The event of a change that the journal records at this offset; told again it is the same."""
    changed = InstanceChanged(
        workflow=key.workflow, instance=key.instance, status=status, error=error
    )
    return CloudEvent(
        id=f"{key}/{offset}",
        source=SOURCE,
        type=f"{TYPE_PREFIX}{status}",
        subject=str(key),
        data={name: value for name, value in asdict(changed).items() if value is not None},
        time=datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat(),
        extensions={"dataschema": schema_id(SCHEMA)},
    )
