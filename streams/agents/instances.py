"""The journal's records to the owners of its partitions; the owners across rebalances."""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

import structlog

from stepwell.schemas import codec
from stepwell.schemas.commands import PauseRequested
from stepwell.schemas.dead_letters import Failure
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.journal import InstanceKey
from stepwell.streams.agents.records import DeadLetters, RawRecord
from stepwell.streams.runtime.bodies import StepBodies
from stepwell.streams.runtime.owner import PartitionOwner, Phase
from stepwell.streams.runtime.rows import Rows
from stepwell.streams.runtime.surroundings import Surroundings

log = structlog.get_logger(__name__)

RELEASE_TIMEOUT_MS = 10_000
"""Bodies that have not ended this long after their cancellation are left behind."""
JOURNAL = "journal"
"""The stage of dead letters that are no journal records."""
REASON_LENGTH_MAX = 200


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
            self._set_aside(record, error)

    def _set_aside(self, record: RawRecord, error: JournalCorrupt) -> None:
        """A dead letter; its instance, if there is one, stops: nobody knows what it missed."""
        name: InstanceKey | None = None
        with suppress(JournalCorrupt):
            name = InstanceKey.decode(record.key or b"")
        failure = Failure(JOURNAL, error.reason, error.detail)
        if name is not None:
            failure = replace(failure, workflow=name.workflow, instance=name.instance)
            at = f"{record.partition}:{record.offset}"
            reason = f"journal record {at} cannot be read: {error.detail}"
            pause = PauseRequested(record.at_ms, reason[:REASON_LENGTH_MAX], f"unread-{at}")
            self._around.append(record.partition, name.encode(), codec.encode(pause))
        self._dead_letters(record, failure)

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
