"""The journal's records to the owners of its partitions; the owners across rebalances."""

import asyncio
import uuid
from collections.abc import Callable, Iterable

import structlog

from stepwell.schemas.errors import JournalCorrupt
from stepwell.streams.agents.records import DeadLetters, Failure, RawRecord
from stepwell.streams.runtime.bodies import StepBodies
from stepwell.streams.runtime.owner import PartitionOwner, Phase
from stepwell.streams.runtime.rows import Rows
from stepwell.streams.runtime.surroundings import Surroundings

log = structlog.get_logger(__name__)

RELEASE_TIMEOUT_MS = 10_000
"""Bodies that have not ended this long after their cancellation are left behind."""


class Instances:
    """Holds a `PartitionOwner` for every journal partition that this worker owns."""

    def __init__(
        self,
        rows: Callable[[int], Rows],
        bodies: StepBodies,
        around: Surroundings,
        dead_letters: DeadLetters,
    ) -> None:
        self._rows = rows
        self._bodies = bodies
        self._around = around
        self._dead_letters = dead_letters
        self._owners: dict[int, PartitionOwner] = {}

    def recovered(self, partitions: Iterable[int]) -> None:
        """The tables of these partitions are complete: claim them. Earlier owners are forgotten."""
        for partition in sorted(partitions):
            claim = uuid.uuid4().hex
            owner = PartitionOwner(partition, self._rows(partition), claim, self._around)
            self._owners[partition] = owner
            owner.start()

    async def revoke(self, partitions: Iterable[int]) -> None:
        """Give these partitions up: cancel their bodies and wait for them, within bounds."""
        owners = [self._owners.pop(one) for one in sorted(partitions) if one in self._owners]
        for owner in owners:
            owner.release()
        left = await asyncio.gather(
            *(
                self._bodies.cancel_owner(owner.carrier.starts, RELEASE_TIMEOUT_MS)
                for owner in owners
            )
        )
        if stuck := sum(left):
            log.warning("bodies left behind", count=stuck)

    def handle(self, record: RawRecord) -> None:
        """Take one record of the journal; one that is no journal record becomes a dead letter."""
        owner = self._owners[record.partition]
        try:
            owner.handle(record.offset, record.key or b"", record.value or b"")
        except JournalCorrupt as error:
            self._dead_letters(record, Failure("journal", "decode", str(error)))

    def tick(self) -> None:
        """Call about every second."""
        for owner in self._owners.values():
            owner.tick()

    @property
    def timers(self) -> int:
        """How many timers of waiting instances are set."""
        return sum(len(owner.carrier.alarms) for owner in self._owners.values())

    @property
    def ready(self) -> bool:
        """Whether partitions are owned and all of them are active."""
        phases = {owner.phase for owner in self._owners.values()}
        return phases == {Phase.ACTIVE}
