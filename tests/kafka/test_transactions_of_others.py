"""Transactions of other producers: what was aborted was never there, and markers are no work."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP

from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from tests.kafka.broker import Broker, unique
from tests.kafka.conditions import eventually
from tests.kafka.flavours import Setup, ours


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def bootstrap(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "kafka":
        yield request.getfixturevalue("kafka_bootstrap")
    else:
        async with EmbeddedBroker(BrokerConfig(tmp_path / "broker")) as broker:
            yield broker.address


async def transact(bootstrap: str, topic: str, value: bytes, *, commit: bool) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=unique("transaction")
    ) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, value, key=b"key")
        await (producer.commit_transaction if commit else producer.abort_transaction)()


async def test_only_what_was_committed_is_delivered_and_nothing_waits_then(
    bootstrap: str, tmp_path: Path
) -> None:
    broker, setup = Broker(bootstrap), Setup(bootstrap, tmp_path / "worker")
    await setup.create_topics(broker)
    built, seen = ours(setup), {}

    async def body(stream):
        async for event in stream.events():
            seen[event.message.offset] = event.value

    built.agent(body)
    async with built.running():
        await transact(bootstrap, setup.source, b"aborted", commit=False)
        await transact(bootstrap, setup.source, b"committed", commit=True)
        await transact(bootstrap, setup.source, b"aborted too", commit=False)

        async def idle() -> bool:
            lags = await built.app.consumer.lag()
            return bool(seen) and lags == {TP(setup.source, 0): 0}

        await eventually(idle, "a worker with nothing to do")
    # Kafka answers before it writes the markers: where between them the record lies is its affair.
    assert list(seen.values()) == [b"committed"]
    (offset,) = seen
    assert await broker.committed(setup.app_id, setup.source) == {0: offset + 1}
    await broker.close()
