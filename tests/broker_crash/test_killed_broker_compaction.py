"""Kill a broker that compacts: the last value of each key stays, and compaction goes on."""

from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from tests.broker_process import BrokerProcess, broker_process
from tests.kafka.broker import Broker, unique
from tests.kafka.conditions import eventually

pytestmark = pytest.mark.slow

KEYS = 100
RECORDS = 20_000
CONFIGS = {
    "cleanup.policy": "compact",
    "segment.bytes": "200000",
    "min.cleanable.dirty.ratio": "0.01",
}


async def test_what_was_full_when_it_died_is_compacted_later(tmp_path: Path) -> None:
    topic = unique("compacted")
    with broker_process(tmp_path) as broker:
        outside = Broker(broker.address)
        await outside.create(1, **{topic: CONFIGS})
        await outside.close()
        for life in (b"first", b"second"):
            await fill(broker, topic, life)
            broker.kill()
            broker.start()
        full = size(broker)
        await eventually(lambda: size(broker) < full / 5, "it is compacted", timeout_s=40)
        outside = Broker(broker.address)
        records = await outside.records(topic, 1)
        await outside.close()
        assert broker.stop() == 0
    last = {record.key: record.value.split()[:2] for record in records}
    wanted = {b"key-%d" % (n % KEYS): [b"second", b"%d" % n] for n in range(RECORDS)}
    assert last == wanted
    assert [r.offset for r in records] == sorted({r.offset for r in records})


async def fill(broker: BrokerProcess, topic: str, life: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=broker.address, linger_ms=2) as producer:
        for number in range(RECORDS):
            value = b"%b %d " % (life, number) + b"x" * 150
            await producer.send(topic, value, b"key-%d" % (number % KEYS))
        await producer.flush()


def size(broker: BrokerProcess) -> int:
    """Bytes in all segments."""
    return sum(path.stat().st_size for path in broker.data.rglob("*.log"))
