"""Errors of the safe Faust driver. Every one of them ends the worker: see README.

StepwellError
└── WorkerStopped           the worker cannot go on safely; restart it
    ├── DeliveryFailed      a record was not acknowledged by the broker
    ├── NotOwner            a row was written for a partition that this worker does not own
    ├── RevokeTimedOut      a partition could not be given up in time
    ├── RecoveryFailed      a changelog cannot be read back
    └── RecoveryStalled     a changelog stopped arriving
RecordTooLarge              one record is above the limit; nothing was written, nothing is broken
"""

from dataclasses import dataclass

from stepwell.streams.errors import StepwellError


class WorkerStopped(StepwellError):
    """The worker cannot go on safely; its offsets stay where they were."""


@dataclass(eq=False)
class DeliveryFailed(WorkerStopped):
    """A record, or an earlier one of the same producer, was not acknowledged by the broker."""

    topic: str
    partition: int
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.topic}-{self.partition}: the broker did not take a record: {self.reason}. "
            "No offset is committed any more; restart the worker when the broker is well."
        )


@dataclass(eq=False)
class NotOwner(WorkerStopped):
    """A row was written for a partition that this worker does not own (any more)."""

    partition: int
    reason: str

    def __str__(self) -> str:
        return f"partition {self.partition} is not owned by this worker: {self.reason}"


@dataclass(eq=False)
class RevokeTimedOut(WorkerStopped):
    """Something would not let go of a partition that another worker is to get."""

    what: str
    timeout_ms: int

    def __str__(self) -> str:
        return f"gave up waiting for {self.what} after {self.timeout_ms} ms while partitions leave"


@dataclass(eq=False)
class RecoveryFailed(WorkerStopped):
    """A changelog record cannot be applied, or the changelog is not the one that is stored here."""

    topic: str
    partition: int
    offset: int
    reason: str

    def __str__(self) -> str:
        return f"changelog {self.topic}-{self.partition}@{self.offset}: {self.reason}"


@dataclass(eq=False)
class RecoveryStalled(WorkerStopped):
    """No changelog record arrived for too long. `remaining` says where reading stopped."""

    remaining: tuple[str, ...]
    timeout_ms: int

    def __str__(self) -> str:
        return (
            f"table recovery made no progress for {self.timeout_ms} ms; still to read: "
            + ", ".join(self.remaining)
        )


@dataclass(eq=False)
class RecordTooLarge(StepwellError):
    """A record is larger than the producer may send. Nothing was written."""

    topic: str
    size_bytes: int
    limit_bytes: int

    def __str__(self) -> str:
        return (
            f"a record for {self.topic} has {self.size_bytes} bytes, the limit is "
            f"{self.limit_bytes}: store the content elsewhere and keep a reference"
        )
