"""Compaction: of each key the last record stays, and what stays is exactly as it was."""

from aiokafka.structs import ConsumerRecord

from tests.contract.log_contract_clients import LogFixtures, created, producer, values
from tests.contract.log_contract_transactions import committed_records
from tests.kafka.broker import Broker
from tests.kafka.conditions import eventually

SOON = {
    "cleanup_policy": "compact",
    "segment_ms": "50",
    "min_cleanable_dirty_ratio": "0.01",
}
TIMEOUT_S = 60.0
KEYS = 10
ROLL = b"roll"
"""The key of records that are there to fill segments: the last segment is never compacted."""


class CompactionContract(LogFixtures):
    """Compaction runs by itself, in its own time."""

    async def test_of_each_key_the_last_record_stays_as_it_was(self, broker):
        topic = await created(broker, **SOON)
        for codec in (None, "gzip"):
            await send_versions(broker, topic, codec, rounds=20)
        async with producer(broker, transactional_id=f"{topic}-t") as sending:
            await sending.begin_transaction()
            await sending.send_and_wait(topic, b"aborted", b"key-0")
            await sending.abort_transaction()
            async with sending.transaction():
                await sending.send_and_wait(topic, b"committed", b"key-1")
                await sending.send_and_wait(topic, None, b"key-2")
        before = await committed_records(broker, topic)
        await eventually(lambda: is_compacted(broker, topic), "it is compacted", TIMEOUT_S)
        after = await without_rolls(broker, topic)
        assert last_of_each(after) == last_of_each(before)
        assert {facts(record) for record in after} <= {facts(record) for record in before}
        assert [r.offset for r in after] == sorted(r.offset for r in after)
        assert [last_of_each(after)[key][2] for key in (b"key-1", b"key-2")] == [b"committed", None]
        assert b"aborted" not in await values(broker, topic)


async def send_versions(broker: Broker, topic: str, codec: str | None, rounds: int) -> None:
    """Each key gets a new value in each round; some batches hold several versions of one."""
    async with producer(broker, compression_type=codec, linger_ms=5) as sending:
        for number in range(rounds):
            for key in range(KEYS):
                await sending.send(topic, b"%d" % number * 100, b"key-%d" % key)
            if number % 3 == 0:
                await sending.flush()


async def is_compacted(broker: Broker, topic: str) -> bool:
    """Whether no key but the one for rolling occurs twice; rolls a segment before it looks."""
    await broker.send(topic, ROLL, b"")
    keys = [record.key for record in await without_rolls(broker, topic)]
    return len(keys) == len(set(keys))


async def without_rolls(broker: Broker, topic: str) -> list[ConsumerRecord]:
    return [record for record in await committed_records(broker, topic) if record.key != ROLL]


def facts(record: ConsumerRecord) -> tuple:
    return record.offset, record.key, record.value, record.timestamp


def last_of_each(records: list[ConsumerRecord]) -> dict[bytes, tuple]:
    return {record.key: facts(record) for record in records}
