"""The strict consumer: what is delivered, what counts as done, what may be committed.

A pump task moves fetched records into the queues of the agents' streams, without a task per record.
Each partition has a `Frontier`. A commit takes the frontiers first, then waits until everything
sent so far is acknowledged, then commits what it took: an offset is never ahead of its effects.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError, KafkaError
from faust.types import TP, Message

from stepwell.streams.kafka.client import ClientConsumer
from stepwell.streams.kafka.errors import DeliveryFailed, NotOwner
from stepwell.streams.kafka.frontier import Frontier

POLL_TIMEOUT_MS = 1000
PRESSURE_POLL_MS = 10
"""How soon to look again whether an agent or the broker caught up."""


class StrictConsumer(ClientConsumer):
    """Commits only what is contiguous, done and durable."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._frontiers: dict[TP, Frontier] = {}
        self._committed: dict[TP, int] = {}
        self._in_hand: set[Message] = set()
        self._queue_high: int = self.app.conf.stream_buffer_maxsize
        self._owned: frozenset[int] = frozenset()
        self._commit_lock = asyncio.Lock()
        self._withdrawals_before = 0
        self._pump: asyncio.Future[None] | None = None
        self.held_back: set[str] = set()
        """Topics that are not fetched from because their agent is behind."""
        self.delivered_total = 0
        self.finished_total = 0
        """Events handed to agents, and those of them that are done; they tell progress."""

    # -- ownership

    @property
    def owned(self) -> frozenset[int]:
        """The partitions whose tables are recovered here and that were not given up."""
        return self._owned

    def own(self, partitions: Iterable[int]) -> None:
        """Rows of these may be written from now on."""
        self._owned = frozenset(partitions)

    def require_owned(self, partition: int) -> None:
        """Raise `NotOwner` unless rows of the partition may be written now."""
        if partition not in self._owned:
            raise NotOwner(partition, f"it owns {sorted(self._owned)}")
        if not self.lease_holds:
            raise NotOwner(partition, "no heartbeat was answered within the session timeout")

    # -- delivery

    def start_delivery(self, positions: Mapping[TP, int]) -> None:
        """Hand out records of these partitions, from these positions on."""
        self._frontiers = {tp: Frontier() for tp in positions}
        self._committed = dict(positions)
        self._withdrawals_before = self.app.producer.withdrawals
        self._in_hand.clear()
        self.held_back.clear()
        self.resume_partitions(positions)
        self.resume_flow()
        self._pump = self.add_future(self._deliver_records())

    async def stop_delivery(self) -> None:
        """Hand out nothing more. What is not in an agent's hands is forgotten, unfinished."""
        self.stop_flow()
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            await asyncio.wait([pump])

    async def _deliver_records(self) -> None:
        deliverers = self.app.topics.deliverers()
        try:
            while self.flow_active:
                timeout_ms = PRESSURE_POLL_MS if self._relieve_pressure() else POLL_TIMEOUT_MS
                if not self.app.producer.has_room:
                    await asyncio.sleep(PRESSURE_POLL_MS / 1000)
                    continue
                fetched = await self.kafka.getmany(timeout_ms=timeout_ms)
                for tp, records in fetched.items():
                    deliver, frontier = deliverers[tp], self._frontiers[tp]
                    for record in records:
                        frontier.deliver(record.offset)
                        deliver(self._to_message(tp, record))
                    self.delivered_total += len(records)
                await asyncio.sleep(0)
        except ConsumerStoppedError:
            if not self.should_stop:
                raise

    def _relieve_pressure(self) -> bool:
        """Pause topics whose agent is behind, resume those that caught up; whether any is paused.

        By topic, so that one slow agent does not hold up the others.
        """
        for topic, queue in self.app.topics.queues.items():
            waiting, paused = queue.qsize(), topic in self.held_back
            if not paused and waiting > self._queue_high:
                self.held_back.add(topic)
                self.pause_partitions(tp for tp in self._frontiers if tp.topic == topic)
            elif paused and waiting < self._queue_high // 2:
                self.held_back.discard(topic)
                self.resume_partitions(tp for tp in self._frontiers if tp.topic == topic)
        return bool(self.held_back)

    def take(self, message: Message) -> None:
        """An agent begins with the message."""
        self._in_hand.add(message)

    def ack(self, message: Message) -> bool:
        """The message is done. One of an earlier generation does not count: it comes again."""
        if message.acked:
            return False
        message.acked = True
        self._in_hand.discard(message)
        if message.generation_id == self.app.consumer_generation_id:
            self._frontiers[message.tp].finish(message.offset)
            self.finished_total += 1
        waiting = self._waiting_for_ack
        if waiting is not None and not self._in_hand and not waiting.done():
            waiting.set_result(None)
        return True

    async def wait_empty(self) -> None:
        """Wait until no agent has a message in its hands."""
        if self._in_hand:
            self._waiting_for_ack = self.loop.create_future()
            await self._waiting_for_ack

    async def verify_all_partitions_active(self) -> None:
        """Left out: Faust's check logs false alarms; `lag` tells the same."""

    async def lag(self) -> dict[TP, int]:
        """Per partition, how many offsets are not done yet."""
        done = {tp: self._done_up_to(tp) for tp in self._frontiers.keys() & self.assignment()}
        ends = await self.highwaters(*done)
        return {tp: max(0, ends[tp] - offset) for tp, offset in done.items()}

    def _done_up_to(self, tp: TP) -> int:
        # The markers of transactions and what compaction took are fetched, but never delivered.
        oldest = self._frontiers[tp].oldest
        return self.fetched_up_to(tp) if oldest is None else oldest

    @property
    def in_hand(self) -> list[str]:
        """The messages that agents have in their hands, as topic-partition@offset."""
        return sorted(f"{m.topic}-{m.partition}@{m.offset}" for m in self._in_hand)

    # -- commits

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        """Commit what is done and durable; whether anything was. Never after a failed delivery."""
        async with self._commit_lock:
            offsets = self._committable()
            if not offsets:
                return False
            try:
                await self.app.producer.flush()
                if self.app.producer.withdrawals != self._withdrawals_before:
                    return False  # effects of these offsets were taken back
                await self._commit(offsets)
            except DeliveryFailed:
                return False  # the producer ends the worker
            except (CommitFailedError, IllegalStateError) as error:
                self.log.info("Not committed, the group has moved on: %s", error)
                return False
            except KafkaError as error:
                if not error.retriable:
                    raise
                self.log.warning("Not committed, the next attempt may succeed: %r", error)
                return False
            self._committed.update(offsets)
            return True

    def _committable(self) -> dict[TP, int]:
        offsets = {}
        for tp, frontier in self._frontiers.items():
            position = frontier.position()
            if position is not None and position > self._committed[tp]:
                offsets[tp] = position
        return offsets
