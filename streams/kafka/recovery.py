"""Bringing tables up to date after a rebalance, then letting events flow.

Faust sends changelog records through the queues of ordinary events, swallows what goes wrong with
them, and resumes partitions before it has seeked them. Here one task does it all, in order: read
each changelog up to its end and apply it, tell the callbacks, check the positions, start delivery.
Whatever goes wrong ends the worker; a new rebalance cancels it.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from faust.types import TP
from mode import Service

from stepwell.streams.kafka.errors import RecoveryFailed, RecoveryStalled
from stepwell.streams.kafka.stores import Change

if TYPE_CHECKING:
    from stepwell.streams.kafka.app import SafeApp
    from stepwell.streams.kafka.tables import RowTable, RowTableManager

POLL_TIMEOUT_MS = 500
POLL_RECORDS = 10_000


class Recovery(Service):
    """One run per rebalance. `completed` is set once the first one is done."""

    def __init__(self, app: "SafeApp", tables: "RowTableManager") -> None:
        super().__init__(beacon=tables.beacon)
        self.app = app
        self.tables = tables
        self.completed = asyncio.Event()
        self._stall_timeout_ms = app.config.recovery_stall_timeout_ms
        self._run: asyncio.Future[None] | None = None
        self._began_s = 0.0

    @property
    def lasting_s(self) -> float:
        """How long ago the last recovery began."""
        return self.loop.time() - self._began_s

    def begin(self, assigned: set[TP], generation: int) -> None:
        """Start to recover this assignment."""
        self._began_s = self.loop.time()
        self._run = self.add_future(self._recover(assigned, generation))

    async def cancel(self) -> None:
        """Stop recovering: the partitions are about to leave."""
        run, self._run = self._run, None
        if run is not None and not run.done():
            run.cancel()
            await asyncio.wait([run])

    async def _recover(self, assigned: set[TP], generation: int) -> None:
        app, consumer = self.app, self.app.consumer
        changelogs = {tp for tp in assigned if tp.topic in self.tables.changelog_topics}
        sources = assigned - changelogs
        app.in_recovery = True
        await app.producer.flush()
        await self._read_changelogs(changelogs)
        app.in_recovery = False
        partitions = frozenset(tp.partition for tp in changelogs or sources)
        consumer.own(partitions)
        await app.tell_recovered(partitions)
        positions = await consumer.positions(sources)
        app.flow_control.resume()
        consumer.start_delivery(positions)
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        self.completed.set()
        self.log.info("Ready: generation %s, partitions %s", generation, sorted(partitions))

    async def _read_changelogs(self, tps: set[TP]) -> None:
        """Apply each changelog from where its rows stand up to its end as of now."""
        if not tps:
            return
        ends = await self.app.consumer.highwaters(*tps)
        starts = await self._starts(tps, ends)
        open_ends = {tp: ends[tp] for tp in tps if starts[tp] < ends[tp]}
        await self._read(starts, open_ends)
        for tp in tps:
            self._table(tp).rows.apply(tp.partition, (), ends[tp] - 1)

    async def _starts(self, tps: set[TP], ends: Mapping[TP, int]) -> dict[TP, int]:
        earliest = await self.app.consumer.earliest_offsets(*tps)
        starts = {}
        for tp in tps:
            applied = self._table(tp).rows.applied_offset(tp.partition)
            start = earliest[tp] if applied is None else applied + 1
            if not earliest[tp] <= start <= ends[tp]:
                reason = (
                    f"the rows kept here go up to it, but the topic has {earliest[tp]} to "
                    f"{ends[tp]}: it was recreated or truncated. Delete this worker's data folder"
                )
                raise RecoveryFailed(tp.topic, tp.partition, start - 1, reason)
            starts[tp] = start
        return starts

    async def _read(self, starts: Mapping[TP, int], open_ends: dict[TP, int]) -> None:
        consumer = self.app.consumer
        await consumer.seek_wait({tp: starts[tp] for tp in open_ends})
        consumer.resume_partitions(open_ends)
        kafka_tps = [kafka_tp for kafka_tp in consumer.kafka.assignment() if kafka_tp in open_ends]
        progress_at = self.loop.time()
        while open_ends:
            asked_at_ms = int(time.time() * 1000)
            fetched = await consumer.kafka.getmany(
                *kafka_tps, timeout_ms=POLL_TIMEOUT_MS, max_records=POLL_RECORDS
            )
            for tp, records in fetched.items():
                self._apply(tp, records)
            positions = await consumer.positions(open_ends)
            done = [tp for tp, end in open_ends.items() if positions[tp] >= end]
            if not fetched:
                done += [tp for tp in open_ends if consumer.polled_at_ms(tp) >= asked_at_ms]
            for tp in done:
                del open_ends[tp]
            consumer.pause_partitions(done)
            kafka_tps = [tp for tp in kafka_tps if tp in open_ends]
            if fetched or done:
                progress_at = self.loop.time()
            elif (self.loop.time() - progress_at) * 1000 > self._stall_timeout_ms:
                raise self._stalled(open_ends, positions)
            await asyncio.sleep(0)

    def _apply(self, tp: TP, records: list[Any]) -> None:
        table = self._table(tp)
        changes: list[Change] = []
        for record in records:
            key, value = record.key, record.value
            reason = "it has no key" if key is None else table.check(key, value)
            if reason is not None:
                raise RecoveryFailed(tp.topic, tp.partition, record.offset, reason)
            changes.append((key, value))
        table.rows.apply(tp.partition, changes, records[-1].offset)

    def _stalled(self, ends: Mapping[TP, int], positions: Mapping[TP, int]) -> RecoveryStalled:
        remaining = tuple(
            f"{tp.topic}-{tp.partition} from {positions[tp]} to {end}"
            for tp, end in sorted(ends.items())
        )
        return RecoveryStalled(remaining, self._stall_timeout_ms)

    def _table(self, tp: TP) -> "RowTable":
        return self.tables.by_changelog(tp.topic)
