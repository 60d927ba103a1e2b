"""`FoldedJournal`: for each question it folds a partition of the journal from its beginning.

For journals in memory, and wherever there is no read model.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from stepwell.schemas.journal import InstanceKey
from stepwell.streams.gateway.judging import Judge, Ruling, ruling_of
from stepwell.streams.gateway.ledger import Ledger
from stepwell.streams.kafka.publisher import Position
from stepwell.streams.views import AT_REST, InstanceSummary, Receipt

Visit = Callable[[int, bytes, bytes], bool]
"""Told (offset, key, value) of each record; returns True when it needs no more."""
Follow = Callable[[int, Visit], Awaitable[None]]
"""Reads a journal partition from its beginning, and new records as they come."""


class FoldedJournal:
    """Obeys `control.Judging`."""

    def __init__(self, follow: Follow) -> None:
        self._follow = follow

    async def rulings(self, positions: Sequence[Position]) -> Mapping[Position, Ruling]:
        """Wait until the commands that lie there were read, and tell what became of them."""
        partitions = {position.partition for position in positions}
        found = await asyncio.gather(
            *(self._rulings(partition, positions) for partition in partitions)
        )
        return {position: ruling for each in found for position, ruling in each.items()}

    async def at_rest(self, receipt: Receipt) -> InstanceSummary | None:
        """Wait until the instance of a receipt has ended or is paused; None: it is gone."""
        key = InstanceKey(receipt.workflow, receipt.instance_id)
        ledger = Ledger()
        found: InstanceSummary | None = None

        def rests(offset: int, raw_key: bytes, value: bytes) -> bool:
            nonlocal found
            ledger.take(receipt.partition, offset, raw_key, value)
            if offset < receipt.offset or raw_key != key.encode():
                return False
            found = ledger.summary(key)
            return found is None or found.status in AT_REST

        await self._follow(receipt.partition, rests)
        return found

    async def _rulings(
        self, partition: int, positions: Sequence[Position]
    ) -> dict[Position, Ruling]:
        offsets = {at.offset for at in positions if at.partition == partition}
        last, judge = max(offsets), Judge()
        found: dict[Position, Ruling] = {}

        def visit(offset: int, key: bytes, value: bytes) -> bool:
            judged = judge.take(partition, offset, key, value)
            if offset in offsets and judged is not None:
                found[Position(partition, offset)] = ruling_of(judged)
            return offset >= last

        await self._follow(partition, visit)
        return found
