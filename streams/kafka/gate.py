"""Holds records back while a worker cannot know whether it still owns its partitions.

A worker that was frozen wakes up with records that it had not sent yet; another one may have taken
over meanwhile. Before the gate a record has no sequence number, and so can be taken back.
"""

# ruff: noqa: SLF001 - the exact pin of aiokafka allows its internals here

import asyncio
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import MessageBatch

from stepwell.streams.kafka.errors import NotOwner


class SendGate:
    """Stands between what aiokafka's producer has accumulated and the broker."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.is_held: Callable[[], bool] = lambda: False
        """Call `open` when it turns false."""
        self._accumulator = producer._message_accumulator
        self._drain = self._accumulator.drain_by_nodes
        self._send = producer._sender._send_produce_req
        self._stopped_short: set[MessageBatch] = set()
        self._opened = asyncio.Event()
        self._is_broken = False
        self._accumulator.drain_by_nodes = self._drain_unless_held
        producer._sender._send_produce_req = self._send_unless_held

    def open(self) -> None:
        """Look again whether records are still held back."""
        self._opened.set()
        if not self._accumulator._waiter_future.done():
            self._accumulator._waiter_future.set_result(None)

    def fail_all(self, error: Exception) -> None:
        """Nothing is sent any more; whoever waits for a batch gets the error."""
        batches = [*self._accumulator._pending_batches]
        batches += [batch for waiting in self._accumulator._batches.values() for batch in waiting]
        self._is_broken = True
        self._accumulator.fail_all(error)
        for batch in batches:
            _look_at(batch)
        self._opened.set()

    def past_recall(self) -> TopicPartition | None:
        """Where a batch is to go that is held back, but that the broker may have got already."""
        waiting = self._accumulator._batches.values()
        tried = [batch for batches in waiting for batch in batches if batch.retry_count]
        return next((batch.tp for batch in (*self._stopped_short, *tried)), None)

    def withdraw(self, reason: str) -> set[TopicPartition]:
        """Take back all that was not tried yet: it is never sent. Where it was to go."""
        withdrawn = {tp: self._accumulator._batches.pop(tp) for tp in [*self._accumulator._batches]}
        for tp, batches in withdrawn.items():
            for batch in batches:
                batch.failure(NotOwner(tp.partition, reason))
                _look_at(batch)
        return set(withdrawn)

    def _drain_unless_held(
        self, ignore_nodes: set[int], muted_partitions: AbstractSet[TopicPartition] = frozenset()
    ) -> object:
        muted = frozenset(self._accumulator._batches) if self.is_held() else muted_partitions
        return self._drain(ignore_nodes, muted)

    async def _send_unless_held(
        self, node_id: int, batches: Mapping[TopicPartition, MessageBatch]
    ) -> None:
        while self.is_held() and not self._is_broken:
            self._stopped_short.update(batches.values())
            self._opened.clear()
            await self._opened.wait()
            self._stopped_short.difference_update(batches.values())
        if not self._is_broken:
            await self._send(node_id, batches)


def _look_at(batch: MessageBatch) -> None:
    """Nobody waits for its drain: asyncio would log that its failure was never retrieved."""
    if batch._drain_waiter.done():
        batch._drain_waiter.exception()
