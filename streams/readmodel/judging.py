"""`ProjectedJournal`: what became of commands, asked of a read model that follows the journal."""

from collections.abc import Mapping, Sequence

from stepwell.schemas.journal import InstanceKey
from stepwell.streams.errors import ReadModelUnavailable
from stepwell.streams.gateway.judging import Ruling
from stepwell.streams.kafka.publisher import Position
from stepwell.streams.readmodel.follower import Follower
from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.views import AT_REST, InstanceSummary, Receipt


class ProjectedJournal:
    """Obeys `control.Judging`."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    async def rulings(self, positions: Sequence[Position]) -> Mapping[Position, Ruling]:
        """Wait until the commands that lie there were read, and tell what became of them."""
        for position in positions:
            await self._follower.passed(*position)
        return await self._follower.ask(lambda model: _found(model, positions))

    async def at_rest(self, receipt: Receipt) -> InstanceSummary | None:
        """Wait until the instance of a receipt has ended or is paused; None: it is gone."""
        key = InstanceKey(receipt.workflow, receipt.instance_id)
        await self._follower.passed(receipt.partition, receipt.offset)
        while True:
            more = self._follower.more()
            found = await self._follower.ask(lambda model: model.summary(key))
            if found is None or found.status in AT_REST:
                return found
            await more.wait()


def _found(model: ReadModel, positions: Sequence[Position]) -> dict[Position, Ruling]:
    found = {}
    for position in positions:
        ruling = model.ruling(*position)
        if ruling is None:  # somebody else's journal, or a record that cannot be read
            raise ReadModelUnavailable(
                f"the record at offset {position.offset} of partition {position.partition} is not "
                "the command that was written there: has the journal been made anew?"
            )
        found[position] = ruling
    return found
