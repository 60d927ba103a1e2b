"""What is known of an instance and of a partition: the accumulators of the fold, nothing derived.

They are changed in place: copying would make the cost of a step grow with the history.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from stepwell.streams.engine.names import StepKey


class Status(StrEnum):
    """The status of an instance; names as in Cloudflare Workflows."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    WAITING_FOR_PAUSE = "waitingForPause"
    PAUSED = "paused"
    ERRORED = "errored"
    TERMINATED = "terminated"
    COMPLETE = "complete"

    @property
    def terminal(self) -> bool:
        """Whether nothing will happen any more, unless it is restarted."""
        return self in TERMINAL


TERMINAL = frozenset({Status.ERRORED, Status.TERMINATED, Status.COMPLETE})


@dataclass(slots=True)
class StepState:
    """The last recorded attempt of a step, its place among the calls, and whether it is over."""

    attempt: int = 0
    finished: bool = False
    call: int = 0
    lost: int = 0
    """How many attempts were recorded as started and are not known to have ended."""


@dataclass(slots=True)
class InstanceState:
    """One instance, folded from its accepted records. `offset` is that of the last one.

    `moved` is the offset of the last one that may have made its code go on.
    """

    status: Status
    run: int
    offset: int
    moved: int = -1
    steps: dict[StepKey, StepState] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    """Ids of events that it was sent, and where these lie; -1: in an earlier run."""
    cancelled: bool = False
    """This run was asked to end."""
    debounced: bool = False
    """Queued until nothing has asked for it for a while."""
    parent: str = ""
    """The key of the instance whose child it is."""
    pending: int | None = None
    """The offset of a debounced creation that came while it ran: the next run begins there."""


@dataclass(slots=True)
class PartitionState:
    """Who owns a journal partition: `epoch` is the offset of its last `OwnerClaimed`."""

    epoch: int = -1
