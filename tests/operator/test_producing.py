"""Lines become events on a real log: the embedded broker."""

import asyncio
import io
import json
import os
from pathlib import Path

import pytest

from stepwell.schemas.asyncapi import record_examples
from stepwell.schemas.cloudevents import decode
from stepwell.schemas.event_lines import LineFormat
from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.kafka import publisher
from stepwell.streams.kafka.publisher import EventPublisher
from stepwell.streams.kafka.tail import read_tail
from stepwell.streams.operator import producing
from stepwell.streams.operator.producing import contract, publish, read_lines
from stepwell.streams.settings import KafkaSettings, Settings
from stepwell.streams.views import LineRefused, Published

ORDERS = LineFormat(type="order.placed", id_field="n", key="customer")


@pytest.fixture
async def settings(tmp_path):
    async with EmbeddedBroker(BrokerConfig(tmp_path)) as broker:
        yield Settings(kafka=KafkaSettings(bootstrap=broker.address, partitions=3))


@pytest.fixture
def pipe():
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb", buffering=0) as sink:
        yield source, sink


@pytest.fixture
def nothing():
    with Path(os.devnull).open("rb") as source:
        yield source


def order(number, customer="Zoë"):
    return json.dumps({"n": number, "customer": customer}).encode() + b"\n"


async def publish_all(settings, lines, line_format=ORDERS):
    outcomes = []
    await publish(settings, io.BytesIO(b"".join(lines)), line_format, outcomes.append)
    return outcomes


async def stored(settings):
    records = []
    await read_tail(settings.kafka.bootstrap, "stepwell.events", records.append, count_max=100_000)
    return records


async def test_every_line_is_an_event_where_it_is_said_to_be(settings):
    outcomes = await publish_all(settings, [order(n) for n in range(20)])
    assert [outcome.line for outcome in outcomes] == list(range(1, 21))
    records = {
        (r.partition, r.offset): decode(r.key, r.value, r.headers) for r in await stored(settings)
    }
    assert len(records) == 20
    for outcome in outcomes:
        event = records[outcome.partition, outcome.offset]
        assert (event.id, event.subject) == (outcome.event_id, outcome.subject)
        assert outcome.position == f"stepwell.events:{outcome.partition}:{outcome.offset}"


async def test_more_lines_than_are_under_way_keep_their_order(settings):
    customers = [f"customer-{n % 7}" for n in range(600)]
    outcomes = await publish_all(settings, [order(*pair) for pair in enumerate(customers)])
    assert [outcome.line for outcome in outcomes] == list(range(1, 601))
    last: dict[bytes, int] = {}
    for record in await stored(settings):
        number = json.loads(record.value)["n"]
        assert last.get(record.key, -1) < number
        last[record.key] = number
    assert len(last) == 7


async def test_bad_lines_are_named_and_the_others_published(settings):
    lines = [order(1), b"{\n", b"\n", b'{"n": 2}\n', order(3)]
    outcomes = await publish_all(settings, lines)
    assert {outcome.line for outcome in outcomes if isinstance(outcome, LineRefused)} == {2, 4}
    assert {outcome.line for outcome in outcomes if isinstance(outcome, Published)} == {1, 5}
    assert len(await stored(settings)) == 2


async def test_whole_events_are_published_with_more_headers(settings):
    line = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "a", "subject": "s"}
    line_format = LineFormat(headers=(("traceparent", "00-ab"),))
    [outcome] = await publish_all(settings, [json.dumps(line).encode()], line_format)
    assert (outcome.event_id, outcome.subject) == ("1", "s")
    [record] = await stored(settings)
    assert record.key == b"s"
    assert ("traceparent", b"00-ab") in record.headers


async def test_without_a_broker_nothing_is_read():
    nobody = Settings(kafka=KafkaSettings(bootstrap="127.0.0.1:1"))
    with pytest.raises(BrokerUnavailable):
        await publish_all(nobody, [order(1)])


async def test_what_was_published_is_told_while_more_lines_are_waited_for(settings, pipe):
    source, sink = pipe
    outcomes = asyncio.Queue()
    publishing = asyncio.create_task(publish(settings, source, ORDERS, outcomes.put_nowait))
    sink.write(order(1) + order(2) + b'{"n": 3')
    assert (await outcomes.get()).line == 1
    assert (await outcomes.get()).line == 2
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert outcomes.empty()


async def test_when_kafka_is_lost_it_ends_and_names_the_first_line_in_doubt(
    tmp_path, pipe, monkeypatch
):
    monkeypatch.setattr(producing, "TIMEOUT_MS", 300)
    monkeypatch.setattr(publisher, "STOP_TIMEOUT_MS", 300)
    source, sink = pipe
    outcomes = asyncio.Queue()
    async with EmbeddedBroker(BrokerConfig(tmp_path)) as broker:
        settings = Settings(kafka=KafkaSettings(bootstrap=broker.address, partitions=1))
        publishing = asyncio.create_task(publish(settings, source, ORDERS, outcomes.put_nowait))
        sink.write(order(1))
        assert isinstance(await outcomes.get(), Published)
    sink.write(order(2))
    with pytest.raises(BrokerUnavailable):
        await publishing
    refused = outcomes.get_nowait()
    assert (type(refused), refused.line) == (LineRefused, 2)


async def test_lines_of_a_pipe_come_as_they_are_written(pipe):
    source, sink = pipe
    lines = read_lines(source)
    sink.write(b"one\ntw")
    assert await anext(lines) == b"one"
    following = asyncio.ensure_future(anext(lines))
    sink.write(b"o\n" + b"x" * 60_000)
    assert await following == b"two"
    sink.write(b"y\nlast")
    sink.close()
    assert [line async for line in lines] == [b"x" * 60_000 + b"y", b"last"]


async def test_every_example_of_the_contract_is_read_from_the_log(settings):
    log = EventPublisher(settings.kafka.bootstrap, "stepwell.events")
    await publish_all(settings, [])
    await log.start()
    try:
        for _, record in record_examples():
            await log.append(record)
    finally:
        await log.stop()
    events = [decode(r.key, r.value, r.headers) for r in await stored(settings)]
    assert {event.id for event in events} == {decode(*r).id for _, r in record_examples()}
    assert len(events) == len(record_examples())


async def test_a_source_without_lines_has_no_events(settings, nothing):
    await publish(settings, nothing, ORDERS, pytest.fail)
    assert await stored(settings) == []


def test_the_contract_names_the_topics_of_the_settings():
    settings = Settings(kafka=KafkaSettings(prefix="acme"))
    documents = contract(settings)
    assert documents["asyncapi"]["channels"]["events"]["address"] == "acme.events"
    assert {"cloudevent", "github-issues", "instance-lifecycle"} <= documents.keys()
