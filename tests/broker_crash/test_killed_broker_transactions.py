"""Kill the broker in the middle of transactions: every record is carried over exactly once."""

import asyncio
import os
import secrets
from contextlib import suppress
from pathlib import Path
from random import Random

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from tests.broker_process import broker_process
from tests.contract.log_contract_transactions import committed
from tests.kafka.broker import Broker, unique
from tests.kafka.conditions import eventually

pytestmark = pytest.mark.slow

KILLS = 8
LIFE_S = 0.8
RECORDS = 20_000
RECORDS_PER_TRANSACTION_MAX = 20


class Carrier:
    """Copies a topic to another in transactions with its offsets; starts anew after an error."""

    def __init__(self, bootstrap: str, chance: Random) -> None:
        self.bootstrap = bootstrap
        self.chance = chance
        self.source, self.sink = unique("source"), unique("sink")
        self.group, self.name = unique("group"), unique("t")
        self.carried = self.lives = self.aborted = 0

    async def run(self) -> None:
        while self.carried < RECORDS:
            self.lives += 1
            with suppress(KafkaError):
                await self._live()

    async def _live(self) -> None:
        """One life, from the last committed place on; ends with an error of the broker."""
        tp = TopicPartition(self.source, 0)
        settings = {"bootstrap_servers": self.bootstrap, "request_timeout_ms": 5_000}
        consumer = AIOKafkaConsumer(group_id=self.group, enable_auto_commit=False, **settings)
        producer = AIOKafkaProducer(transactional_id=self.name, **settings)
        async with consumer, producer:
            consumer.assign([tp])
            self.carried = await consumer.committed(tp) or 0
            consumer.seek(tp, self.carried)
            while self.carried < RECORDS:
                count = self.chance.randint(1, RECORDS_PER_TRANSACTION_MAX)
                found = await consumer.getmany(tp, timeout_ms=500, max_records=count)
                records = found.get(tp, [])
                if records:
                    await self._carry(producer, tp, records)

    async def _carry(self, producer: AIOKafkaProducer, tp: TopicPartition, records: list) -> None:
        end = records[-1].offset + 1
        for abort in (self.chance.random() < 0.2, False):
            await producer.begin_transaction()
            for record in records:
                await producer.send(self.sink, record.value)
            await producer.send_offsets_to_transaction({tp: end}, self.group)
            if not abort:
                break
            await producer.abort_transaction()
            self.aborted += 1
        await producer.commit_transaction()
        self.carried = end


async def test_records_are_carried_over_exactly_once(tmp_path: Path) -> None:
    seed = int(os.environ.get("STEPWELL_TEST_SEED", secrets.randbelow(10**9)))
    chance = Random(seed)
    with broker_process(tmp_path) as broker:
        carrier, outside = Carrier(broker.address, chance), Broker(broker.address)
        await outside.create(1, **{carrier.source: {}, carrier.sink: {}})
        await asyncio.gather(
            *(outside.send(carrier.source, None, b"%d" % n) for n in range(RECORDS))
        )
        wanted = [record.value for record in await outside.records(carrier.source, 1)]
        await outside.close()
        running = asyncio.ensure_future(carrier.run())
        kills = 0
        while kills < KILLS and not running.done():
            before = carrier.carried
            await eventually(lambda b=before: carrier.carried > b or running.done(), "progress")
            await asyncio.wait([running], timeout=chance.uniform(0, LIFE_S))
            broker.kill()
            broker.start()
            kills += 1
        await asyncio.wait_for(running, 60)
        outside = Broker(broker.address)
        assert await committed(outside, carrier.sink) == wanted
        assert await outside.committed(carrier.group, carrier.source) == {0: RECORDS}
        await outside.close()
    figures = {"test": "killed broker, transactions", "seed": seed, "kills": kills}
    figures |= {"records": RECORDS, "lives": carrier.lives, "aborted": carrier.aborted}
    print("\n" + orjson.dumps(figures).decode())
