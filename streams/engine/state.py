"""What is known of an instance and of a partition: the accumulators of the fold, nothing derived.

They are changed in place: copying would make the cost of a step grow with the history.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from stepwell.streams.engine.names import StepKey


class Status(StrEnum):
    """The status of an instance; names as in Cloudflare Workflows."""

    RUNNING = "running"
    PAUSED = "paused"
    ERRORED = "errored"
    COMPLETE = "complete"

    @property
    def terminal(self) -> bool:
        """Whether nothing will happen any more."""
        return self in (Status.ERRORED, Status.COMPLETE)


@dataclass(slots=True)
class StepState:
    """The last recorded attempt of a step, and whether the step is over."""

    attempt: int = 0
    finished: bool = False


@dataclass(slots=True)
class InstanceState:
    """One instance, folded from its accepted records. `offset` is that of the last one."""

    status: Status
    run: int
    offset: int
    steps: dict[StepKey, StepState] = field(default_factory=dict)


@dataclass(slots=True)
class PartitionState:
    """Who owns a journal partition: `epoch` is the offset of its last `OwnerClaimed`."""

    epoch: int = -1
