"""Appends events and waits until they are safe. The gateway's way into Kafka; Faust is not used."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from stepwell.schemas.cloudevents import EventRecord, record_bytes
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.kafka.security import Security

RECORD_BYTES_MAX = 1024 * 1024
IN_FLIGHT_MAX = 1000
STOP_TIMEOUT_MS = 5000


class Position(NamedTuple):
    """Where a record lies in its topic."""

    partition: int
    offset: int


class EventPublisher:
    """One topic, one idempotent producer with acks from all in-sync replicas, bounded waits.

    A `BrokerUnavailable` means "not known to be stored": the record may still arrive. Appending
    it again is right; whoever reads it knows it by source and id.
    """

    def __init__(  # noqa: PLR0913 - all but two by name
        self,
        bootstrap: str,
        topic: str,
        *,
        timeout_ms: int = 3000,
        in_flight_max: int = IN_FLIGHT_MAX,
        record_bytes_max: int = RECORD_BYTES_MAX,
        security: Security | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._timeout_ms = timeout_ms
        self._in_flight_max = in_flight_max
        self._record_bytes_max = record_bytes_max
        self._options = (security or Security()).client_options()
        self._in_flight = 0
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect; raises `BrokerUnavailable`. Later outages are survived without another start."""
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                await self._connected()
        except (TimeoutError, KafkaError) as error:
            raise self._unavailable("does not answer") from error

    async def append(self, record: EventRecord) -> Position:
        """Store a record; returns when all in-sync replicas have it.

        Raises `BrokerUnavailable` at the time limit, at once when too many wait already, and
        `EventRejected` when the record is too large for Kafka.
        """
        if self._in_flight >= self._in_flight_max:
            raise self._unavailable(f"is slow: {self._in_flight} appends are waiting already")
        self._in_flight += 1
        try:
            with self._translating(record):
                async with asyncio.timeout(self._timeout_ms / 1000):
                    return await self._deliver(await self._connected(), record)
        finally:
            self._in_flight -= 1

    async def hand_over(self, record: EventRecord) -> asyncio.Task[Position]:
        """Send a record behind all that were handed over before, without a limit on their number.

        The task ends when all in-sync replicas have it. Call and task raise as `append` does.
        """
        with self._translating(record):
            async with asyncio.timeout(self._timeout_ms / 1000):
                producer = await self._connected()
                acknowledged = await self._send(producer, record)
        return asyncio.create_task(self._stored(producer, record, acknowledged))

    async def reachable(self, timeout_ms: int = 1000) -> bool:
        """Whether the broker answers right now."""
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                producer = await self._connected()
                answered: bool = await producer.client.force_metadata_update()
                return answered
        except (TimeoutError, KafkaError):
            return False

    async def stop(self) -> None:
        """Let go of the connection, within a time limit. Idempotent."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)
        await asyncio.gather(*self._retiring)

    async def _deliver(self, producer: AIOKafkaProducer, record: EventRecord) -> Position:
        return await self._acknowledged(producer, await self._send(producer, record))

    async def _stored(
        self, producer: AIOKafkaProducer, record: EventRecord, acknowledged: Awaitable[Any]
    ) -> Position:
        with self._translating(record):
            async with asyncio.timeout(self._timeout_ms / 1000):
                return await self._acknowledged(producer, acknowledged)

    async def _send(self, producer: AIOKafkaProducer, record: EventRecord) -> Awaitable[Any]:
        key, value, headers = record
        with self._retiring_broken(producer):
            acknowledged: Awaitable[Any] = await producer.send(
                self._topic, value, key, headers=headers
            )
        return acknowledged

    async def _acknowledged(
        self, producer: AIOKafkaProducer, acknowledged: Awaitable[Any]
    ) -> Position:
        with self._retiring_broken(producer):
            metadata = await acknowledged
        return Position(metadata.partition, metadata.offset)

    @contextmanager
    def _translating(self, record: EventRecord) -> Iterator[None]:
        """Errors of the client as errors of ours."""
        try:
            yield
        except TimeoutError:
            raise self._unavailable(f"did not acknowledge within {self._timeout_ms} ms") from None
        except MessageSizeTooLargeError as error:
            detail = f"event of {record_bytes(record)} bytes: more than Kafka takes in a record"
            raise EventRejected(RejectReason.SIZE, detail) from error
        except KafkaError as error:
            raise self._unavailable(f"refused the append: {error!r}") from error

    @contextmanager
    def _retiring_broken(self, producer: AIOKafkaProducer) -> Iterator[None]:
        try:
            yield
        except KafkaError as error:
            if not error.retriable and not isinstance(error, MessageSizeTooLargeError):
                self._retire(producer)
            raise

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is not None:
                return self._producer
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                client_id="stepwell-gateway",
                acks="all",
                enable_idempotence=True,
                max_request_size=self._record_bytes_max,
                request_timeout_ms=self._timeout_ms,
                **self._options,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
            return producer

    def _retire(self, producer: AIOKafkaProducer) -> None:
        # After a lost sequence number or the end of its sender task an idempotent producer refuses
        # everything for good; only a new one, with a new id, can go on.
        if self._producer is producer:
            self._producer = None
            task = asyncio.create_task(_stop(producer))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    def _unavailable(self, what: str) -> BrokerUnavailable:
        return BrokerUnavailable(f"Kafka at {self._bootstrap} {what} (topic {self._topic})")


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(STOP_TIMEOUT_MS / 1000):
            await producer.stop()
    except TimeoutError:
        # aiokafka flushes until the broker returns. Nobody waits for these records any more: their
        # senders were told, so the sockets are closed and the rest ends with the event loop.
        await producer.client.close()
