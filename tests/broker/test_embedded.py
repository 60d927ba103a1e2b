"""The broker as a whole: it holds its folder, listens on loopback, and stops in order."""

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from stepwell.streams.broker import BrokerConfig, EmbeddedBroker, Fsync
from stepwell.streams.broker.errors import CannotListen, DataFolderInUse, NotLoopback

PARTITION = TopicPartition("t", 0)


def config(folder, **changes):
    return BrokerConfig(folder, auto_create_topics=True, **changes)


async def send(broker, *values):
    async with AIOKafkaProducer(bootstrap_servers=broker.address, acks="all") as producer:
        return [await producer.send_and_wait("t", value, partition=0) for value in values]


async def read(broker, count):
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.address, auto_offset_reset="earliest")
    async with consumer:
        consumer.assign([PARTITION])
        return [(await consumer.getone()).value for _ in range(count)]


@pytest.mark.parametrize("fsync", Fsync)
async def test_what_was_sent_is_there_after_a_restart(tmp_path, fsync):
    async with EmbeddedBroker(config(tmp_path, fsync=fsync)) as broker:
        await send(broker, b"a", b"b")
        assert await read(broker, 2) == [b"a", b"b"]
    async with EmbeddedBroker(config(tmp_path, fsync=fsync)) as broker:
        (sent,) = await send(broker, b"c")
        assert sent.offset == 2
        assert await read(broker, 3) == [b"a", b"b", b"c"]


async def test_a_stop_leaves_checkpoints_and_nothing_to_read(tmp_path):
    async with EmbeddedBroker(config(tmp_path)) as broker:
        await send(broker, b"a")
    logs = list(tmp_path.glob("topics/*/*/*.log"))
    assert logs
    assert all(path.with_suffix(".index").exists() for path in logs)


async def test_the_port_file_says_where_while_it_runs(tmp_path):
    async with EmbeddedBroker(config(tmp_path)) as broker:
        assert broker.address == f"127.0.0.1:{(tmp_path / 'port').read_text().strip()}"
    assert not (tmp_path / "port").exists()


async def test_a_folder_is_held_by_one_broker(tmp_path):
    async with EmbeddedBroker(config(tmp_path)):
        with pytest.raises(DataFolderInUse, match="in use by another broker"):
            async with EmbeddedBroker(config(tmp_path)):
                pass
    async with EmbeddedBroker(config(tmp_path)):
        pass


async def test_a_port_that_is_taken_is_named_and_the_folder_given_back(tmp_path):
    async with EmbeddedBroker(config(tmp_path / "a")) as first:
        port = int(first.address.rpartition(":")[2])
        with pytest.raises(CannotListen, match=str(port)):
            async with EmbeddedBroker(config(tmp_path / "b", port=port)):
                pass
    async with EmbeddedBroker(config(tmp_path / "b")):
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", ""])
async def test_it_listens_on_loopback_only(tmp_path, host):
    with pytest.raises(NotLoopback, match="loopback only"):
        async with EmbeddedBroker(config(tmp_path, host=host)):
            pass


async def test_topics_are_not_created_by_asking_for_them_unless_told_so(tmp_path):
    async with EmbeddedBroker(BrokerConfig(tmp_path)) as broker:
        consumer = AIOKafkaConsumer(bootstrap_servers=broker.address)
        async with consumer:
            assert await consumer.topics() == set()
            consumer.subscribe(["t"])
            assert await consumer.topics() == set()
