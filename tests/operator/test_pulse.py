"""What the health strip is told, of a real log and a real index; and of those that are away."""

from dataclasses import replace

import pytest

from stepwell.schemas.cloudevents import EventRecord
from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.errors import BrokerUnavailable, IndexUnavailable
from stepwell.streams.gateway.health import HealthState
from stepwell.streams.index.directory import Collection, Directory
from stepwell.streams.index.factory import make_directory
from stepwell.streams.kafka.publisher import EventPublisher
from stepwell.streams.lists import Pulse
from stepwell.streams.operator import pulse
from stepwell.streams.operator.queries import ensure_topics
from stepwell.streams.settings import IndexSettings, KafkaSettings, Settings
from tests.broker_process import free_port


@pytest.fixture
async def settings(tmp_path):
    async with EmbeddedBroker(BrokerConfig(tmp_path / "broker")) as broker:
        found = Settings(
            kafka=KafkaSettings(bootstrap=broker.address, partitions=2),
            index=IndexSettings(url=f"sqlite://{tmp_path}/index.db"),
        )
        await ensure_topics(found)
        yield found


async def publish(settings, count):
    publisher = EventPublisher(settings.kafka.bootstrap, "stepwell.events", timeout_ms=5_000)
    await publisher.start()
    try:
        for number in range(count):
            await publisher.append(EventRecord(f"k{number}".encode(), b"{}", []))
    finally:
        await publisher.stop()


async def test_lag_is_what_no_worker_has_been_through(settings, monkeypatch):
    await publish(settings, 3)
    broker, lag = await pulse.look_at_kafka(settings)
    assert (broker.state, lag.state, lag.number) == (HealthState.GOOD, HealthState.GOOD, 3)
    monkeypatch.setattr(pulse, "BEHIND_MAX", 2)
    _, lag = await pulse.look_at_kafka(settings)
    assert lag.state is HealthState.WARN
    assert "is a worker running?" in lag.detail


async def test_a_broker_that_is_away_is_an_error(settings):
    away = replace(settings.kafka, bootstrap=f"127.0.0.1:{free_port()}")
    with pytest.raises(BrokerUnavailable):
        await pulse.look_at_kafka(replace(settings, kafka=away))


async def test_an_index_says_how_many_documents_it_has_without_a_model(settings):
    (part,) = await pulse.look_at_index(settings)
    assert (part.state, part.value) == (HealthState.GOOD, "empty")
    store = make_directory(settings.index.url, settings.index.collection)
    await store.replace(None, Directory((Collection("StepwellDocument", "m", "m@1", 3),)))
    await store.close()
    (part,) = await pulse.look_at_index(settings)
    assert (part.value, part.number) == ("0 documents", 0)


@pytest.mark.slow  # its client tries for a while
async def test_an_index_that_is_away_is_an_error(settings):
    away = IndexSettings(url=f"weaviate://127.0.0.1:{free_port()}?grpc_port={free_port()}")
    with pytest.raises(IndexUnavailable):
        await pulse.look_at_index(replace(settings, index=away))


async def test_open_dead_letters_are_counted(settings):
    (part,) = await pulse.look_at_letters(settings)
    assert (part.state, part.number) == (HealthState.GOOD, 0)


async def test_what_instances_do_is_asked_of_the_read_model():
    async def busy():
        return Pulse({"queued": 20_000, "running": 3}, 1_795_000_000_000)

    queue, last = await pulse.look_at_instances(busy)
    assert (queue.state, queue.value) == (HealthState.WARN, "20,000 queued")
    assert last.at_ms == 1_795_000_000_000


async def test_the_board_sees_all_of_it(settings):
    async def quiet():
        return Pulse({}, None)

    async with pulse.open_health(settings, quiet) as board:
        view = await board.fresh()
    assert [part.name for part in view.parts] == [
        "broker",
        "consumer lag",
        "index",
        "queue",
        "last event",
        "dead letters",
    ]
    assert view.state is HealthState.GOOD, view
