"""The strict producer: every send is tracked to the broker's acknowledgement.

Faust hands a send to a queue, a task of that queue to aiokafka, and forgets the result: a flush may
give up after 0.1 s and a failed delivery is a log line. Here a send goes straight into aiokafka's
accumulator, in the call itself, and one callback per batch says what became of it. `flush` waits
for all of it and raises; the first failure ends the worker.
"""

# ruff: noqa: SLF001 - the exact pins of faust-streaming and aiokafka allow their internals here

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.producer.message_accumulator import MessageAccumulator, MessageBatch
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, FutureMessage, HeadersArg, RecordMetadata
from mode import Service

from stepwell.streams.errors import BrokerUnavailable, StepwellError, TopicMismatch
from stepwell.streams.kafka.errors import DeliveryFailed, NotOwner, RecordTooLarge
from stepwell.streams.kafka.gate import SendGate

if TYPE_CHECKING:
    from stepwell.streams.kafka.app import SafeApp

Sent = TypeVar("Sent")
Result = TypeVar("Result")
Headers = Sequence[tuple[str, bytes | None]]
HeaderList = list[tuple[str, bytes | None]]
OnAcknowledged = Callable[[int, int, int], None]
"""Told (partition, first offset, number of records), in order per partition."""

RECORD_OVERHEAD_BYTES = 128
CLOSE_TIMEOUT_S = 5.0
METADATA_ATTEMPTS = 10
METADATA_PAUSE_S = 0.2
"""A topic created just now takes a moment to be known to every broker."""


@dataclass(slots=True, eq=False)
class _Batch:
    """One of aiokafka's batches with who waits for which of its records."""

    batch: MessageBatch
    opened_at: float
    records: int = 0
    waiters: list[tuple[int, asyncio.Future[int]]] = field(default_factory=list)


class StrictProducer(driver.Producer):
    """Idempotent, `acks=all`, in order per partition, without a task or a queue per record."""

    app: "SafeApp"

    failure: DeliveryFailed | None = None
    """Why nothing can be sent or committed any more."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._timeout_s = self.app.config.delivery_timeout_ms / 1000
        self.unacknowledged = 0
        """How many records the broker has not acknowledged yet."""
        self._counts: dict[str, int] = {}
        self._open: dict[tuple[str, int], _Batch] = {}
        self._unsettled: dict[_Batch, None] = {}
        self._listeners: dict[str, OnAcknowledged] = {}
        self._crashing: asyncio.Future[None] | None = None
        self._gate: SendGate | None = None
        self.withdrawals = 0
        """How often records were taken back. What they stand for must not be committed."""
        self.on_acknowledged: Callable[[str, float], None] | None = None
        """Told (topic, seconds since its first record) of each acknowledged batch, for metrics."""

    # -- sending

    def append(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        partition: int,
        headers: Headers = (),
    ) -> asyncio.Future[int]:
        """Send one record; the future gives its offset once all in-sync replicas have it.

        Nobody needs to await it: a failure ends the worker in any case.
        """
        return self._wait_for(*self._add((topic, partition), key, value, list(headers), None))

    def append_row(self, topic: str, partition: int, key: bytes, value: bytes | None) -> None:
        """Send one changelog record: `append` without a future."""
        self._add((topic, partition), key, value, [], None)

    def listen(self, topic: str, on_acknowledged: OnAcknowledged) -> None:
        """Call back for each acknowledged batch of a topic."""
        self._listeners[topic] = on_acknowledged

    async def flush(self) -> None:
        """Wait until everything sent before is acknowledged; raises `DeliveryFailed`."""
        if self._unsettled and self.failure is None:
            await asyncio.wait([batch.batch.future for batch in self._unsettled])
        if self.failure is not None:
            raise self.failure

    # -- holding back

    def hold_while(self, is_held: Callable[[], bool]) -> None:
        """Send nothing while that is true; call `release` when it is not any more."""
        assert self._gate is not None, "the producer is not started"
        self._gate.is_held = is_held

    def release(self) -> None:
        """Send what was held back."""
        if self._gate is not None:
            self._gate.open()

    def withdraw(self, reason: str) -> set[TopicPartition]:
        """Take back what is unacknowledged, and send no more before `connect`. Where it was to go.

        What the broker may have got is left behind, as by a worker that dies: whatever comes later
        has another producer id, and what was under way is not tried again.
        """
        assert self._gate is not None, "the producer is not started"
        left, is_held = self._ensure_producer(), self._gate.is_held
        self._gate.shut()
        self._replace_client(is_held)
        self.withdrawals += 1
        withdrawn = {batch.batch.tp for batch in self._unsettled}
        for batch in [*self._unsettled]:
            _fail_batch(batch.batch, NotOwner(batch.batch.tp.partition, reason))
        self.add_future(_abandon(left))
        return withdrawn

    @property
    def has_room(self) -> bool:
        """Whether so little is unacknowledged that more records may be taken in."""
        return self.unacknowledged < self.app.config.queued_records_max

    # -- what Faust itself calls

    async def send(  # noqa: PLR0913, PLR0917
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: HeadersArg | None,
        *,
        transactional_id: str | None = None,  # noqa: ARG002
    ) -> Awaitable[RecordMetadata]:
        """Send one record; the result gives its metadata."""
        if topic not in self._counts:
            await self.prepare({topic: None})
        tp = (
            TP(topic, partition) if partition is not None else self.key_partition(topic, key or b"")
        )
        return self._send(tp, key, value, headers, timestamp)

    def send_soon(self, fut: FutureMessage) -> None:
        """Send the message of a Faust future now, not soon; the future is settled later."""
        message = fut.message
        topic = message.channel.get_topic_name()
        tp = self._destination(topic, message.partition, message.key)
        sent = self._send(tp, message.key, message.value, message.headers, message.timestamp)
        sent.add_done_callback(partial(_settle, fut, lambda metadata: metadata))
        if message.callback is not None:
            fut.add_done_callback(message.callback)

    def _destination(self, topic: str, partition: int | None, key: bytes | None) -> TP:
        if partition is None:
            return self.key_partition(topic, key or b"")
        return TP(topic, partition)

    def _send(
        self,
        tp: TP,
        key: bytes | None,
        value: bytes | None,
        headers: HeadersArg | None,
        timestamp_s: float | None,
    ) -> "asyncio.Future[RecordMetadata]":
        pairs: HeaderList = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        stamp_ms = None if timestamp_s is None else round(timestamp_s * 1000)
        settled: asyncio.Future[RecordMetadata] = self.loop.create_future()
        sent = self._wait_for(*self._add(tp, key, value, pairs, stamp_ms))
        sent.add_done_callback(
            partial(_settle, settled, lambda offset: RecordMetadata(*tp, tp, offset))
        )
        return settled

    # -- the accumulator

    def _add(
        self,
        tp: tuple[str, int],
        key: bytes | None,
        value: bytes | None,
        headers: HeaderList,
        timestamp_ms: int | None,
    ) -> tuple[_Batch, int]:
        """Add a record to the partition's open batch or to a new one; the batch and the place."""
        if self.failure is not None:
            raise self.failure
        self._check(tp, key, value, headers)
        accumulator = self._ensure_producer()._message_accumulator
        if accumulator._closed or accumulator._exception is not None:
            raise DeliveryFailed(*tp, "the producer is closed")
        batch = self._open.get(tp)
        waiting = accumulator._batches.get(tp)
        metadata = None
        # A batch that the sender has taken is not ours to add to, though its builder is still open.
        if batch is not None and waiting and waiting[-1] is batch.batch:
            metadata = batch.batch._builder.append(
                timestamp=timestamp_ms, key=key, value=value, headers=headers
            )
        if batch is None or metadata is None:
            batch = self._open_batch(accumulator, tp)
            metadata = batch.batch._builder.append(
                timestamp=timestamp_ms, key=key, value=value, headers=headers
            )
        batch.records += 1
        self.unacknowledged += 1
        return batch, metadata.offset

    def _wait_for(self, batch: _Batch, index: int) -> "asyncio.Future[int]":
        offset: asyncio.Future[int] = self.loop.create_future()
        batch.waiters.append((index, offset))
        return offset

    def _check(
        self, tp: tuple[str, int], key: bytes | None, value: bytes | None, headers: HeaderList
    ) -> None:
        topic, partition = tp
        count = self._counts.get(topic)
        if count is None:
            raise TopicMismatch(f"topic {topic} is not known here: declare it before the start")
        if not 0 <= partition < count:
            raise TopicMismatch(f"topic {topic} has partitions 0 to {count - 1}, not {partition}")
        size = RECORD_OVERHEAD_BYTES + len(key or b"") + len(value or b"")
        if headers:
            size += sum(len(name) + len(content or b"") for name, content in headers)
        if size > self.max_request_size:
            raise RecordTooLarge(topic, size, self.max_request_size)

    def _open_batch(self, accumulator: MessageAccumulator, tp: tuple[str, int]) -> _Batch:
        created = accumulator._append_batch(accumulator.create_builder(), TopicPartition(*tp))
        batch = _Batch(created, self.loop.time())
        batch.batch.future.add_done_callback(partial(self._on_settled, batch))
        self._open[tp] = batch
        self._unsettled[batch] = None
        return batch

    def _on_settled(self, batch: _Batch, result: "asyncio.Future[Any]") -> None:
        del self._unsettled[batch]
        self.unacknowledged -= batch.records
        tp = batch.batch.tp
        if self._open.get(tp) is batch:
            del self._open[tp]
        error = result.exception()
        if isinstance(error, NotOwner):  # withdrawn
            _fail_all((future for _, future in batch.waiters), error)
            return
        base = -1 if error is not None else result.result().offset
        if base < 0:  # also a duplicate so old that the broker does not know its offset any more
            self._fail(tp, repr(error) if error is not None else "acknowledged without an offset")
            _fail_all((future for _, future in batch.waiters), self.failure)
            return
        for index, future in batch.waiters:
            if not future.done():
                future.set_result(base + index)
        if self.on_acknowledged is not None:
            self.on_acknowledged(tp.topic, self.loop.time() - batch.opened_at)
        listener = self._listeners.get(tp.topic)
        if listener is not None:
            try:
                listener(tp.partition, base, batch.records)
            except Exception as error:  # a full disk, say: asyncio would only log it
                self._crashing = asyncio.ensure_future(self.crash(error))
                raise

    def _fail(self, tp: TopicPartition, reason: str) -> None:
        if self.failure is None:
            self.failure = DeliveryFailed(tp.topic, tp.partition, reason)
            self._crashing = asyncio.ensure_future(self.crash(self.failure))
            assert self._gate is not None
            self._gate.shut()
            # Whoever waits for any of the other batches must not wait any longer.
            for batch in [*self._unsettled]:
                _fail_batch(batch.batch, KafkaError(str(self.failure)))

    @Service.task
    async def _watch_deliveries(self) -> None:
        """Idempotent batches are retried for ever; this is what gives up."""
        while self.failure is None:
            await asyncio.sleep(self._timeout_s / 20)
            oldest = next(iter(self._unsettled), None)
            if oldest and self.loop.time() - oldest.opened_at > self._timeout_s:
                self._fail(oldest.batch.tp, f"no acknowledgement within {self._timeout_s} s")

    # -- start and stop

    def _settings_auth(self) -> Mapping[str, Any]:
        return self.app.config.security.client_options()

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    async def on_start(self) -> None:
        """Connect, and check that the declared topics are there."""
        await Service.on_start(self)
        self._replace_client()
        await self.connect()

    def _replace_client(self, is_held: Callable[[], bool] = lambda: False) -> None:
        client = self._producer = self._new_producer()
        self._gate = SendGate(client, is_held)

    async def connect(self) -> None:
        """Send, also what was appended before. Raises `BrokerUnavailable`, `TopicMismatch`."""
        try:
            await self._ensure_producer().start()
        except KafkaConnectionError as error:
            bootstrap = self.app.config.bootstrap
            raise BrokerUnavailable(f"no Kafka broker answers at {bootstrap}") from error
        await self.prepare(self._counts or self.app.declared_topics)

    async def prepare(self, topics: Mapping[str, int | None]) -> None:
        """Learn the partitions of topics; raises `TopicMismatch` when they are not as declared."""
        client = self._ensure_producer().client
        for topic in topics:
            client.add_topic(topic)
        for _ in range(METADATA_ATTEMPTS):
            await client.force_metadata_update()
            counts = {t: len(client.cluster.partitions_for_topic(t) or ()) for t in topics}
            if all(counts.values()):
                break
            await asyncio.sleep(METADATA_PAUSE_S)
        for topic, found in counts.items():
            expected = topics[topic]
            if found == 0:
                raise TopicMismatch(f"topic {topic} does not exist: create the topics first")
            if expected is not None and expected != found:
                raise TopicMismatch(f"topic {topic} has {found} partitions, not {expected}")
        self._counts.update(counts)

    async def on_stop(self) -> None:
        """Close. After a failure nothing is waited for: aiokafka would go on trying."""
        if self.failure is not None and (producer := self._producer) is not None:
            self._producer = None
            await _abandon(producer)
        await asyncio.wait_for(super().on_stop(), CLOSE_TIMEOUT_S)


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Close without waiting for anything that is under way."""
    producer._closed = True
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
    await producer.client.close()
    if sender is not None:
        sender.cancel()  # it was waiting for what is under way
        await asyncio.wait([sender])


def _fail_batch(batch: MessageBatch, error: StepwellError | KafkaError) -> None:
    batch.failure(error)
    if batch._drain_waiter.done():
        batch._drain_waiter.exception()  # nobody waits for it: asyncio would log that


def _fail_all(futures: Iterable["asyncio.Future[int]"], error: StepwellError | None) -> None:
    for future in futures:
        if not future.done() and error is not None:
            future.set_exception(error)
            future.exception()  # the worker ends with it: no "never retrieved" as well


def _settle(
    target: "asyncio.Future[Result]",
    convert: Callable[[Sent], Result],
    source: "asyncio.Future[Sent]",
) -> None:
    error = source.exception()
    if target.done():
        return
    if error is None:
        target.set_result(convert(source.result()))
    else:
        target.set_exception(error)
        target.exception()
