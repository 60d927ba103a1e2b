"""Faust's consumer interface on an aiokafka consumer that lives in the worker's own event loop.

Faust's driver runs it in a thread of its own and passes every call through two queues. One loop is
simpler, halves the latency, and has heartbeats stop when the worker is stuck, so that another
worker takes over. What is delivered and committed is decided in `consumer.py`.
"""

# ruff: noqa: SLF001 - the exact pins of faust-streaming and aiokafka allow their internals here

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaConnectionError
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import server_list
from faust.types import TP, ConsumerMessage

from stepwell.streams.errors import BrokerUnavailable

if TYPE_CHECKING:
    from stepwell.streams.kafka.app import SafeApp

FETCH_WAIT_MS = 100
"""A fetch that finds nothing returns after this; partitions resumed meanwhile wait for it."""

CLOSE_TIMEOUT_S = 5.0


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Passes rebalances on; runs in aiokafka's coordinator task."""

    def __init__(self, consumer: "ClientConsumer") -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        app = self._consumer.app
        app.on_rebalance_start()
        await self._consumer.on_partitions_revoked({TP(*tp) for tp in revoked})

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        consumer = self._consumer
        tps = {TP(*tp) for tp in assigned}
        consumer.pause_partitions(tps)
        generation = consumer.kafka._coordinator.generation
        consumer.app.consumer_generation_id = generation
        consumer.renew_lease()
        await consumer.on_partitions_assigned(tps, generation)


class ClientConsumer(Consumer):
    """The aiokafka half of `StrictConsumer`."""

    app: "SafeApp"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kafka: AIOKafkaConsumer | None = None
        self._lease_until = 0.0
        self._renewed = asyncio.Event()

    @property
    def kafka(self) -> AIOKafkaConsumer:
        """The started aiokafka consumer."""
        assert self._kafka is not None, "the consumer is not started"
        return self._kafka

    async def on_start(self) -> None:
        """Connect; the group is joined once the conductor subscribes."""
        conf = self.app.conf
        self._kafka = AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            bootstrap_servers=server_list(self.transport.url, 9092),
            partition_assignment_strategy=[self.app.assignor],
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset=conf.consumer_auto_offset_reset,
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int((conf.broker_max_poll_interval or 0) * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            check_crcs=conf.broker_check_crcs,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            connections_max_idle_ms=conf.consumer_connections_max_idle_ms,
            **self.app.config.security.client_options(),
        )
        try:
            await self._kafka.start()
        except KafkaConnectionError as error:
            bootstrap = self.app.config.bootstrap
            raise BrokerUnavailable(f"no Kafka broker answers at {bootstrap}") from error
        self._watch_heartbeats(self._kafka._coordinator)
        self.app.producer.hold_while(lambda: self.lease_lapsed)

    async def on_stop(self) -> None:
        """Leave the group and disconnect. Offsets were committed when the app gave up."""
        if self._kafka is not None:
            await asyncio.wait_for(self._kafka.stop(), CLOSE_TIMEOUT_S)

    # -- the lease: until when nobody else can own our partitions

    def _watch_heartbeats(self, coordinator: Any) -> None:
        send_heartbeat = coordinator._do_heartbeat

        async def observed() -> bool:
            sent_at = self.loop.time()
            answered = bool(await send_heartbeat())
            if answered:
                self.renew_lease(sent_at)
            return answered

        coordinator._do_heartbeat = observed

    def renew_lease(self, since: float | None = None) -> None:
        """The group coordinator heard from us: it waits a session timeout before it moves on."""
        start = self.loop.time() if since is None else since
        self._lease_until = start + self.app.conf.broker_session_timeout
        self._renewed.set()
        if self.lease_holds:
            self.app.producer.release()

    @property
    def lease_holds(self) -> bool:
        """Whether this worker is still the owner for sure: it was not frozen or cut off."""
        return self.loop.time() < self._lease_until

    @property
    def lease_lapsed(self) -> bool:
        """Whether this worker was in the group, and may have been taken out of it unawares."""
        return self._lease_until > 0 and not self.lease_holds

    async def lease_renewed(self) -> None:
        """Wait for the next sign that this worker is in the group."""
        self._renewed.clear()
        await self._renewed.wait()

    # -- Faust's interface

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group for these topics."""
        self.kafka.subscribe(topics=sorted(topics), listener=_Listener(self))

    def assignment(self) -> set[TP]:
        """What the group gave us."""
        if self._kafka is None:
            return set()
        return {TP(*tp) for tp in self._kafka.assignment()}

    def pause_partitions(self, tps: Iterable[tuple[str, int]]) -> None:
        """Stop fetching from these."""
        self.kafka.pause(*(_kafka_tp(tp) for tp in tps))

    def resume_partitions(self, tps: Iterable[tuple[str, int]]) -> None:
        """Fetch from these again."""
        self.kafka.resume(*(_kafka_tp(tp) for tp in tps))

    async def position(self, tp: TP) -> int | None:
        """The next offset to fetch; waits until it is known."""
        return cast(int, await self.kafka.position(_kafka_tp(tp)))

    async def positions(self, tps: Iterable[TP]) -> dict[TP, int]:
        """The next offset to fetch of each: after a rebalance, the committed one or the first."""
        wanted = list(tps)
        found = await asyncio.gather(*(self.kafka.position(_kafka_tp(tp)) for tp in wanted))
        return dict(zip(wanted, found, strict=True))

    def polled_at_ms(self, tp: TP) -> int:
        """When the broker last answered a fetch of the partition, by the wall clock; 0 if never."""
        return cast(int, self.kafka.last_poll_timestamp(_kafka_tp(tp)) or 0)

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """The first offset of each."""
        tps = [_kafka_tp(tp) for tp in partitions]
        return cast(Mapping[TP, int], await self.kafka.beginning_offsets(tps))

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """The next offset that each will give out."""
        tps = [_kafka_tp(tp) for tp in partitions]
        return cast(Mapping[TP, int], await self.kafka.end_offsets(tps))

    def fetched_up_to(self, tp: TP) -> int:
        """The next offset to hand out, as far as known: 0 before the position is."""
        state = self.kafka._subscription.subscription.assignment.state_value(_kafka_tp(tp))
        return cast(int, state.position) if state.has_valid_position else 0

    def highwater(self, tp: TP) -> int:
        """The end of the partition as of the last fetch; 0 before the first."""
        return cast(int, self.kafka.highwater(_kafka_tp(tp)) or 0)

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Continue fetching from these offsets."""
        for tp, offset in partitions.items():
            self.kafka.seek(_kafka_tp(tp), offset)

    async def _seek(self, partition: TP, offset: int) -> None:
        self.kafka.seek(_kafka_tp(partition), offset)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Nothing to seek: a new assignment begins at its committed offsets by itself."""
        return await self.positions(self.assignment())

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        await self.kafka.commit({_kafka_tp(tp): offset for tp, offset in offsets.items()})
        return True

    def topic_partitions(self, topic: str) -> int | None:
        """How many partitions a topic has, as far as known."""
        return len(self.kafka.partitions_for_topic(topic) or ()) or None

    def key_partition(
        self, topic: str, key: bytes | None, partition: int | None = None
    ) -> int | None:
        """The partition of a key."""
        if partition is not None:
            return partition
        return self.app.producer.key_partition(topic, key or b"").partition

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        tps = (_kafka_tp(tp) for tp in active_partitions or ())
        return await self.kafka.getmany(*tps, timeout_ms=int(timeout * 1000))

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        return ConsumerMessage(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp / 1000.0,
            record.timestamp_type,
            record.headers,
            record.key,
            record.value,
            None,
            record.serialized_key_size,
            record.serialized_value_size,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def create_topic(self, topic: str, *_: Any, **__: Any) -> None:
        """Refused: topics are created and checked by `admin.py`, before the start."""
        raise NotImplementedError(f"topic {topic} must be created before the worker starts")


def _kafka_tp(tp: tuple[str, int]) -> TopicPartition:
    return TopicPartition(*tp)
