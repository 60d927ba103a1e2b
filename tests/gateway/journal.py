"""A journal in memory: what is appended is stored in partitions, and can be followed from 0."""

import asyncio
from typing import Any

from stepwell.schemas import codec
from stepwell.schemas.cloudevents import EventRecord
from stepwell.schemas.commands import StepKind
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.journal import (
    OWNER_KEY,
    InstanceCompleted,
    InstanceCreated,
    InstanceKey,
    JournalRecord,
    OwnerClaimed,
    StepSucceeded,
)
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.gateway.folding import Visit
from stepwell.streams.gateway.ledger import Ledger
from stepwell.streams.kafka.publisher import Position

PARTITIONS = 3
RECORD_BYTES_MAX = 2 * 1024 * 1024


class MemoryJournal:
    """Obeys the contracts of `control.Journal` and `control.Follow`."""

    def __init__(self) -> None:
        self.partitions: list[list[tuple[bytes, bytes]]] = [[] for _ in range(PARTITIONS)]
        self.up = True
        self.readable = True
        self._grown = asyncio.Event()

    async def append(self, record: EventRecord) -> Position:
        if not self.up:
            raise BrokerUnavailable("the journal is down")
        if len(record.value) > RECORD_BYTES_MAX:
            raise EventRejected(RejectReason.SIZE, "too large for a record")
        return self.put(record.key, record.value)

    def put(self, key: bytes, value: bytes) -> Position:
        partition = sum(key) % PARTITIONS
        self.partitions[partition].append((key, value))
        self._grown.set()
        return Position(partition, len(self.partitions[partition]) - 1)

    async def follow(self, partition: int, visit: Visit) -> None:
        offset = 0
        while True:
            records = self.partitions[partition] if self.readable else []
            while offset < len(records):
                if visit(offset, *records[offset]):
                    return
                offset += 1
            self._grown.clear()
            await self._grown.wait()

    def ledger(self) -> Ledger:
        """The journal, folded now."""
        ledger = Ledger()
        for partition, records in enumerate(self.partitions):
            for offset, record in enumerate(records):
                ledger.take(partition, offset, *record)
        return ledger

    @property
    def length(self) -> int:
        return sum(len(records) for records in self.partitions)


class Story:
    """One instance in a partition of its own, told by the records that are appended to it."""

    def __init__(self, key: str = "order/one", params: Any = None, **created: Any) -> None:
        self.key = InstanceKey.decode(key.encode())
        self.ledger = Ledger()
        self.offset = 0
        self.run = 1
        self.write(OwnerClaimed("worker", "claim", 0), OWNER_KEY)
        if params is not ...:
            self.write(InstanceCreated(params, 1_000, **created))

    def write(self, record: JournalRecord, key: bytes | None = None) -> "Story":
        self.ledger.take(0, self.offset, key or self.key.encode(), codec.encode(record))
        self.offset += 1
        return self

    def succeed(
        self, step: str, result: Any = None, *, occurrence: int = 1, call: int = 1, **more: Any
    ) -> "Story":
        at = 1_000 + 10 * self.offset
        kind = more.pop("kind", StepKind.DO)
        return self.write(
            StepSucceeded(self.run, step, occurrence, 1, 0, at - 5, at, result, kind, call, **more)
        )

    def complete(self, output: Any = None) -> "Story":
        return self.write(InstanceCompleted(self.run, 0, 9_000, output))

    @property
    def details(self):
        (details,) = self.ledger.details(self.key.workflow, self.key.instance)
        return details

    @property
    def status(self) -> str:
        return self.details.summary.status

    def step(self, name: str):
        (step,) = [step for step in self.details.steps if step.name == name]
        return step
