"""What the owner of a partition needs from the worker around it."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stepwell.schemas.journal import InstanceKey, InstanceRecord
from stepwell.schemas.parts import Retention
from stepwell.streams.engine.fold import Verdict
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import Status
from stepwell.streams.engine.workflow import Workflow
from stepwell.streams.runtime.admission import Gate
from stepwell.streams.runtime.alarms import CallLater
from stepwell.streams.runtime.bodies import Job
from stepwell.streams.runtime.clock import Clock
from stepwell.streams.runtime.isolation import Isolation
from stepwell.streams.runtime.near_limits import NearLimits
from stepwell.streams.spans import NO_TRACING, Tracing

DAY_MS = 24 * 60 * 60 * 1000
DEFAULT_RETENTION = Retention(success_ms=30 * DAY_MS, error_ms=30 * DAY_MS)


class Bodies(Protocol):
    """Runs step bodies; `StepBodies` in production."""

    def submit(self, job: Job) -> None:
        """Run the job when it is due; it reports its record once, after those of its stream."""
        ...

    def cancel(self, owner: Hashable, instance: InstanceKey, step: StepKey) -> None:
        """Forget a job; it reports nothing."""
        ...

    def withdraw(self, owner: Hashable, instance: InstanceKey, step: StepKey) -> bool:
        """Forget a job that has not started; whether that was so."""
        ...


class Announce(Protocol):
    """Tells the rest of the world that the status of an instance is another one now."""

    def __call__(
        self, key: InstanceKey, status: Status | None, offset: int, record: InstanceRecord
    ) -> None:
        """Told of the record that changed it, and where that lies; None: the instance is gone."""
        ...


def _nobody(key: InstanceKey, status: Status | None, offset: int, record: InstanceRecord) -> None:
    """Announces to nobody."""


def _none(_workflow: str, _status: str) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The worker, as one of its partitions sees it."""

    append: Callable[[int, bytes, bytes], None]
    """Append (partition, key, value) to the journal; a failed delivery ends the worker."""
    append_instance: Callable[[bytes, bytes], None]
    """Append (key, value) to the journal partition of that key."""
    bodies: Bodies
    call_soon: Callable[[Callable[[], None]], object]
    """Call a function in a later turn of the loop."""
    call_later: CallLater
    workflow: Callable[[str], Workflow | None]
    """A fresh workflow object by name, or None when this worker does not know it."""
    clock: Clock
    observe: Callable[[InstanceKey, InstanceRecord, Verdict], None]
    """Told of every record and what became of it; must not raise."""
    worker: str
    gate: Gate
    isolation: Isolation = field(default_factory=Isolation)
    near_limits: NearLimits = field(default_factory=NearLimits)
    announce: Announce = _nobody
    tracing: Tracing = NO_TRACING
    followers: Callable[[str, str], Sequence[str]] = _none
    """The workflows to start when an instance of (workflow) ends with (status)."""
    retention: Retention = DEFAULT_RETENTION
    in_memory_max: int = 1_000
    """So many instances of a partition that only wait are kept ready; others are replayed."""
