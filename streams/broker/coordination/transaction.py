"""The record of one transactional id."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from stepwell.streams.broker.coordination.groups import Committed, Partition, committed_from
from stepwell.streams.broker.storage.journal import Entry, Json

EPOCH_MAX = 32_766
"""The epoch is 16 bits wide; the last is for fencing."""


class Status(StrEnum):
    """Where a transaction stands."""

    EMPTY = "Empty"
    ONGOING = "Ongoing"
    PREPARE_COMMIT = "PrepareCommit"
    PREPARE_ABORT = "PrepareAbort"
    COMPLETE_COMMIT = "CompleteCommit"
    COMPLETE_ABORT = "CompleteAbort"


@dataclass(slots=True)
class Transaction:
    """A transactional id: its producer, and the transaction that is open or was the last."""

    transactional_id: str
    producer_id: int
    epoch: int
    last_epoch: int = -1
    timeout_ms: int = 0
    status: Status = Status.EMPTY
    changed_ms: int = 0
    """When it began, or ended."""
    partitions: set[Partition] = field(default_factory=set)
    offsets: dict[str, dict[Partition, Committed]] = field(default_factory=dict)
    """By group, what is committed with it."""

    @property
    def is_ending(self) -> bool:
        """Whether its end is decided but not carried out."""
        return self.status in {Status.PREPARE_COMMIT, Status.PREPARE_ABORT}

    def may_renew(self, producer_id: int, epoch: int) -> bool:
        """Whether a producer that knows this id and epoch may have the next one."""
        return producer_id == self.producer_id and epoch in {self.epoch, self.last_epoch}

    def renew(self, timeout_ms: int, now_ms: int) -> None:
        """A producer begins with the next epoch."""
        self.last_epoch, self.epoch = self.epoch, self.epoch + 1
        self.timeout_ms, self.status, self.changed_ms = timeout_ms, Status.EMPTY, now_ms

    def copy(self) -> "Transaction":
        """A copy to change."""
        offsets = {group: dict(found) for group, found in self.offsets.items()}
        return replace(self, partitions=set(self.partitions), offsets=offsets)

    def begun(self, now_ms: int) -> "Transaction":
        """As it is, or just begun."""
        changed = self.copy()
        if changed.status is not Status.ONGOING:
            changed.status, changed.changed_ms = Status.ONGOING, now_ms
        return changed

    def ended(self) -> "Transaction":
        """With its end carried out."""
        committed = self.status is Status.PREPARE_COMMIT
        status = Status.COMPLETE_COMMIT if committed else Status.COMPLETE_ABORT
        return replace(self, status=status, partitions=set(), offsets={})

    def entry(self) -> Entry:
        """As the journal keeps it."""
        offsets: dict[str, Json] = {
            group: [[*partition, *committed] for partition, committed in found.items()]
            for group, found in self.offsets.items()
        }
        return ("txn", self.transactional_id), {
            "producer_id": self.producer_id,
            "epoch": self.epoch,
            "last_epoch": self.last_epoch,
            "timeout_ms": self.timeout_ms,
            "status": self.status.value,
            "changed_ms": self.changed_ms,
            "partitions": [list(partition) for partition in sorted(self.partitions)],
            "offsets": offsets,
        }

    @classmethod
    def from_json(cls, transactional_id: str, value: Json) -> "Transaction":
        """From the journal."""
        assert isinstance(value, dict)
        found = dict(value)
        partitions, offsets = found.pop("partitions"), found.pop("offsets")
        status = Status(str(found.pop("status")))
        numbers = {name: number for name, number in found.items() if isinstance(number, int)}
        assert isinstance(partitions, list)
        assert isinstance(offsets, dict)
        return cls(
            transactional_id,
            **numbers,
            status=status,
            partitions={_partition(row) for row in partitions},
            offsets={group: _offsets(rows) for group, rows in offsets.items()},
        )


def _partition(row: Json) -> Partition:
    assert isinstance(row, list)
    return str(row[0]), int(str(row[1]))


def _offsets(rows: Json) -> dict[Partition, Committed]:
    assert isinstance(rows, list)
    found = {}
    for row in rows:
        assert isinstance(row, list)
        found[_partition(row)] = committed_from(row[2:])
    return found
