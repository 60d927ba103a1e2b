"""The contract of the event log, kept by the memory of the tests and by real Kafka."""

import asyncio
import json
import os
import signal
import subprocess
import uuid
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition

from stepwell.schemas.cloudevents import EventRecord, encode
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.topics import TopicFacts
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.kafka.admin import ensure_topics
from stepwell.streams.kafka.publisher import EventPublisher
from stepwell.streams.kafka.tail import read_tail
from tests.servers import SCRIPTS, running

PARTITIONS = 3
TIMEOUT_MS = 1000


def event_record(number, size=0):
    data = {"number": number, "text": "x" * size}
    return encode(CloudEvent(f"id-{number}", "/test", "numbered", f"subject-{number}", data))


class KafkaLog:
    """The real one, on a broker of its own that can be frozen, killed and brought back."""

    def __init__(self, facts, topic):
        self.name, self.bootstrap = facts["name"], facts["address"]
        self.topic = topic
        self.log = EventPublisher(self.bootstrap, topic, timeout_ms=TIMEOUT_MS)

    async def stored(self):
        records = []
        await read_tail(self.bootstrap, self.topic, records.append, count_max=10_000)
        return [EventRecord(r.key, r.value, list(r.headers)) for r in records]

    @asynccontextmanager
    async def outage(self):
        """The broker hangs: its sockets stay open, nothing answers."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def kill(self):
        self._signal(signal.SIGKILL)

    async def restart(self):
        await asyncio.to_thread(self._script, "start")

    def _signal(self, sign):
        os.kill(json.loads(self._script("status", "--json"))["pid"], sign)

    def _script(self, verb, *options):
        command = [SCRIPTS / "kafka", verb, "--name", self.name, *options]
        return subprocess.run(command, check=True, capture_output=True).stdout


class MemoryLogHands:
    def __init__(self, log):
        self.log = log

    async def stored(self):
        return self.log.records

    @asynccontextmanager
    async def outage(self):
        self.log.up = False
        yield
        self.log.up = True


@pytest.fixture(scope="module")
def kafka():
    with running("kafka") as facts:
        yield facts


@pytest.fixture
async def kafka_log(kafka):
    topic = f"events-{uuid.uuid4().hex[:8]}"
    await ensure_topics(kafka["address"], [TopicFacts(topic, PARTITIONS, "delete", None)], 1)
    hands = KafkaLog(kafka, topic)
    await hands.log.start()
    yield hands
    await hands.log.stop()


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def hands(request):
    if request.param == "kafka":
        return request.getfixturevalue("kafka_log")
    return MemoryLogHands(request.getfixturevalue("memory_log"))


async def test_an_appended_record_is_stored_as_it_is(hands):
    record = event_record(1)
    await hands.log.append(record)
    assert await hands.stored() == [record]


async def test_many_at_once_are_all_stored_once(hands):
    records = [event_record(number) for number in range(200)]
    await asyncio.gather(*(hands.log.append(record) for record in records))
    assert sorted(await hands.stored()) == sorted(records)


async def test_the_largest_record_is_stored_and_a_larger_one_refused(hands):
    await hands.log.append(event_record(1, size=990_000))
    with pytest.raises(EventRejected) as caught:
        await hands.log.append(event_record(2)._replace(value=b"0" * 1_100_000))
    assert caught.value.reason is RejectReason.SIZE
    await hands.log.append(event_record(3))
    assert len(await hands.stored()) == 2


async def test_in_an_outage_an_append_fails_and_afterwards_it_works(hands):
    await hands.log.append(event_record(1))
    assert await hands.log.reachable()
    async with hands.outage():
        with pytest.raises(BrokerUnavailable):
            await hands.log.append(event_record(2))
        assert not await hands.log.reachable()
    await appended(hands.log, event_record(3))
    assert event_record(3) in await hands.stored()


async def appended(log, record):
    """Append again and again, as a sender does."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await log.append(record)
            except BrokerUnavailable:
                continue


@pytest.mark.kafka
async def test_a_killed_broker_costs_time_but_no_acknowledged_record(kafka, kafka_log):
    acknowledged = [event_record(number) for number in range(20)]
    await asyncio.gather(*(kafka_log.log.append(record) for record in acknowledged))
    kafka_log.kill()
    with pytest.raises(BrokerUnavailable, match=kafka["address"]):
        await kafka_log.log.append(event_record(100))
    await kafka_log.restart()
    await appended(kafka_log.log, event_record(101))
    stored = await kafka_log.stored()
    for record in [*acknowledged, event_record(101)]:
        assert stored.count(record) == 1


@pytest.mark.kafka
async def test_too_many_waiting_appends_are_refused_at_once(kafka, kafka_log):
    few = EventPublisher(kafka["address"], kafka_log.topic, timeout_ms=TIMEOUT_MS, in_flight_max=5)
    await few.start()
    try:
        appends = [asyncio.create_task(few.append(event_record(n))) for n in range(20)]
        outcomes = await asyncio.gather(*appends, return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, BrokerUnavailable)]
        assert len(refused) == 15
        assert "5 appends are waiting" in str(refused[0])
        await few.append(event_record(100))
    finally:
        await few.stop()


@pytest.mark.kafka
async def test_a_producer_that_lost_its_way_is_replaced(kafka, kafka_log):
    """Records that the broker forgot leave a gap in the sequence: that producer is finished."""
    await kafka_log.log.append(event_record(1))
    sequences = kafka_log.log._producer._txn_manager
    for partition in range(PARTITIONS):
        sequences.increment_sequence_number(TopicPartition(kafka_log.topic, partition), 7)
    with pytest.raises(BrokerUnavailable, match="OutOfOrderSequence"):
        await kafka_log.log.append(event_record(2))
    await kafka_log.log.append(event_record(3))
    assert event_record(3) in await kafka_log.stored()


async def test_without_a_broker_the_start_fails_and_says_where():
    publisher = EventPublisher("127.0.0.1:1", "events", timeout_ms=TIMEOUT_MS)
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
        await publisher.start()
    with pytest.raises(BrokerUnavailable):
        await publisher.append(event_record(1))
    assert not await publisher.reachable()
    await publisher.stop()


@pytest.mark.kafka
async def test_only_the_tail_is_read_back(kafka_log):
    for number in range(30):
        await kafka_log.log.append(event_record(number))
    seen = []
    await read_tail(kafka_log.bootstrap, kafka_log.topic, seen.append, count_max=9)
    assert 0 < len(seen) <= 9
    everything = await kafka_log.stored()
    assert len(everything) == 30
