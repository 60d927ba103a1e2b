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


class SendGate:
    """Stands between what aiokafka's producer has accumulated and the broker."""

    def __init__(self, producer: AIOKafkaProducer, is_held: Callable[[], bool]) -> None:
        self.is_held = is_held
        """Call `open` when it turns false."""
        self._accumulator = producer._message_accumulator
        self._drain = self._accumulator.drain_by_nodes
        self._send = producer._sender._send_produce_req
        self._opened = asyncio.Event()
        self._is_shut = False
        self._accumulator.drain_by_nodes = self._drain_unless_held
        producer._sender._send_produce_req = self._send_unless_held

    def open(self) -> None:
        """Look again whether records are still held back."""
        self._opened.set()
        if not self._accumulator._waiter_future.done():
            self._accumulator._waiter_future.set_result(None)

    def shut(self) -> None:
        """Nothing goes through any more, and nothing that failed is tried again."""
        self._is_shut = True
        self._accumulator.reenqueue = _never_again
        self._opened.set()

    def _drain_unless_held(
        self, ignore_nodes: set[int], muted_partitions: AbstractSet[TopicPartition] = frozenset()
    ) -> object:
        is_held = self._is_shut or self.is_held()
        muted = frozenset(self._accumulator._batches) if is_held else muted_partitions
        return self._drain(ignore_nodes, muted)

    async def _send_unless_held(
        self, node_id: int, batches: Mapping[TopicPartition, MessageBatch]
    ) -> None:
        while not self._is_shut and self.is_held():
            self._opened.clear()
            await self._opened.wait()
        if not self._is_shut:
            await self._send(node_id, batches)


def _never_again(_batch: MessageBatch) -> None:
    """In place of aiokafka's way to try a batch once more."""
