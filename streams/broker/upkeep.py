"""What a broker does unasked: time-outs, retention, compaction, shorter files."""

import asyncio

import structlog

from stepwell.streams.broker.compacting import compact, due
from stepwell.streams.broker.errors import StorageFailed
from stepwell.streams.broker.node import Node
from stepwell.streams.broker.storage.log import PartitionLog
from stepwell.streams.broker.topics import Topic

TICK_MS = 100
CHECKPOINT_EVERY_BYTES = 16 * 1024 * 1024
"""A start reads at most about as much of each active segment."""
PRODUCER_IDLE_MS_MAX = 24 * 60 * 60 * 1000

log = structlog.get_logger(__name__)


class Upkeep:
    """Looks after a node until it is cancelled."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def run(self) -> None:
        """Let time pass, and look after the files every so often."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pass_time())
            tasks.create_task(self._tidy())

    async def _pass_time(self) -> None:
        while True:
            await asyncio.sleep(TICK_MS / 1000)
            self._node.groups.expire(self._node.ticks_ms())
            self._node.transactions.expire(self._node.now_ms())

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(self._node.config.upkeep_interval_ms / 1000)
            try:
                await self.once()
            except (StorageFailed, OSError) as failed:
                log.warning("upkeep waits for the disk", detail=str(failed))

    async def once(self) -> None:
        """One round over all files."""
        if self._node.journal.wants_compaction:
            await self._node.journal.compact()
        for topic in self._node.topics:
            for index, found in enumerate(topic.logs):
                now_ms = self._node.now_ms()
                self.retain(topic, index, now_ms)
                active = found.active
                if active.size - active.checkpointed_size >= CHECKPOINT_EVERY_BYTES:
                    self._node.syncing.checkpoint(found)
                if topic.rules.compacted and (segments := due(found, topic.rules, now_ms)):
                    await compact(found, segments, topic.rules, now_ms)
                await asyncio.sleep(0)  # others first

    def retain(self, topic: Topic, index: int, now_ms: int) -> None:
        """Give up what is older or more than the topic keeps."""
        found = topic.logs[index]
        found.producers.forget_idle(now_ms - PRODUCER_IDLE_MS_MAX)
        if not topic.rules.deletes:
            return
        offset = expired_until(found, topic, now_ms)
        if offset > found.start_offset:
            self._node.topics.delete_records(topic, index, offset)


def expired_until(found: PartitionLog, topic: Topic, now_ms: int) -> int:
    """Where a log would begin if whole segments that are too old, or too much, were gone."""
    rules, excess = topic.rules, found.size - topic.rules.retention_bytes
    offset = found.start_offset
    for segment in found.segments:
        too_old = 0 <= rules.retention_ms < now_ms - segment.max_timestamp
        too_much = rules.retention_bytes >= 0 and excess >= segment.size
        if not segment.size and segment is not found.active:
            continue
        if not segment.size or not (too_old or (too_much and segment is not found.active)):
            break
        if segment.next_offset > found.high_watermark:
            break
        excess -= segment.size
        offset = segment.next_offset
    return offset
