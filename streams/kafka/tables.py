"""Tables of raw rows, and the manager that recovers them after each rebalance."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, cast

from faust.tables import TableManager
from faust.tables.table import Table
from faust.types import TP, TopicT

from stepwell.streams.kafka.recovery import Recovery
from stepwell.streams.kafka.stores import Row, RowStore

if TYPE_CHECKING:
    from stepwell.streams.kafka.app import SafeApp

CheckRow = Callable[[bytes, bytes | None], str | None]
"""Says why a changelog record cannot be a row of the table, or None."""


class RowTable(Table[bytes, bytes]):
    """A changelogged table of bytes, written and read by partition.

    Write rows inside the agent, for the partition of the event in hand: that is what makes a
    committed offset imply its rows.
    """

    app: "SafeApp"

    def __init__(
        self,
        app: "SafeApp",
        name: str,
        *,
        changelog_topic: TopicT,
        rows: RowStore,
        check: CheckRow | None = None,
    ) -> None:
        super().__init__(
            app, name=name, key_type=bytes, value_type=bytes, changelog_topic=changelog_topic
        )
        self.rows = rows
        self.check = check or _accept
        self._changelog = changelog_topic.get_topic_name()

    def put(self, partition: int, key: bytes, value: bytes) -> None:
        """Write a row and send it to the changelog. Raises `NotOwner`, `RecordTooLarge`."""
        self._change(partition, key, value)

    def delete(self, partition: int, key: bytes) -> None:
        """Delete a row, here and in the changelog. Raises `NotOwner`."""
        self._change(partition, key, None)

    def _change(self, partition: int, key: bytes, value: bytes | None) -> None:
        self.app.consumer.require_owned(partition)
        self.app.producer.append_row(self._changelog, partition, key, value)
        self.rows.put(partition, key, value)

    def row(self, partition: int, key: bytes) -> bytes | None:
        """The value of a row, or None."""
        return self.rows.get(partition, key)

    def scan(self, partition: int, prefix: bytes) -> Iterator[Row]:
        """The rows whose key starts with the prefix, in key order."""
        return self.rows.scan(partition, prefix)

    def partition_rows(self, partition: int) -> Iterator[Row]:
        """All rows of a partition."""
        return self.rows.partition_rows(partition)

    # -- Faust's own way, for the partition of the current event

    def __getitem__(self, key: bytes) -> bytes:
        value = self.row(self._current_partition(), key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.put(self._current_partition(), key, value)

    def __delitem__(self, key: bytes) -> None:
        self.delete(self._current_partition(), key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.row(self._current_partition(), key) is not None

    def __iter__(self) -> Iterator[bytes]:
        for partition in sorted(self.rows.partitions()):
            for key, _ in self.rows.partition_rows(partition):
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _current_partition(self) -> int:
        partition = self.partition_for_key(None)
        assert partition is not None
        return partition

    # -- lifecycle

    async def on_start(self) -> None:
        """Nothing to start: the rows are opened as partitions come, the changelog exists."""
        self.app.producer.listen(self._changelog, self.rows.acknowledged)

    async def on_stop(self) -> None:
        """Close the rows."""
        self.rows.close()


class RowTableManager(TableManager):
    """Starts at once, and leaves everything about changelogs to our `Recovery`."""

    app: "SafeApp"

    @property
    def recovery(self) -> Recovery:  # type: ignore[override] # takes the place of Faust's
        """What brings tables up to date."""
        if self._recovery is None:
            self._recovery = Recovery(self.app, self)  # type: ignore[assignment]
        return self._recovery  # type: ignore[return-value]

    def by_changelog(self, topic: str) -> RowTable:
        """The table of a changelog topic."""
        return cast(RowTable, self._changelogs[topic])

    def forget(self, changelogs: Iterable[tuple[str, int]]) -> None:
        """Let go of rows whose changelogs lack some of them; recovery reads them anew."""
        for topic, partition in changelogs:
            if topic in self._changelogs:
                self.by_changelog(topic).rows.drop(partition)

    async def on_start(self) -> None:
        """Have the changelogs subscribed, without Faust's second of waiting."""
        self._tables_finalized.set()
        for table in self.values():
            self.app.topics.add(table.changelog_topic)
            await table.maybe_start()
        self._tables_registered.set()
        await self.recovery.start()

    async def on_rebalance(
        self,
        assigned: set[TP],
        revoked: set[TP],  # noqa: ARG002
        newly_assigned: set[TP],  # noqa: ARG002
        generation_id: int = 0,
    ) -> None:
        """Rows of lost partitions leave; what we have now is brought up to date."""
        self._recovery_started.set()
        for topic in self._changelogs:
            rows = self.by_changelog(topic).rows
            kept = {tp.partition for tp in assigned if tp.topic == topic}
            for partition in rows.partitions() - kept:
                rows.drop(partition)
        await asyncio.sleep(0)
        self.recovery.begin(assigned, generation_id)

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """The app gives partitions up itself, in its own order."""

    async def on_stop(self) -> None:
        """Stop the recovery, close the tables."""
        await self.recovery.stop()
        for table in self.values():
            await table.stop()


def _accept(_key: bytes, _value: bytes | None) -> None:
    return None
