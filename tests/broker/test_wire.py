"""Bytes on a connection: frames, versions, order, and what is no request at all."""

import asyncio
import struct
from contextlib import asynccontextmanager

import pytest

from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.broker.api.table import APIS
from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.messages import message_class

FETCH, METADATA, API_VERSIONS = 1, 3, 18


@pytest.fixture
async def broker(tmp_path):
    async with EmbeddedBroker(BrokerConfig(tmp_path, auto_create_topics=True)) as running:
        yield running


@asynccontextmanager
async def connected(broker):
    host, _, port = broker.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


def request(key, version, body=b"", *, correlation_id=7):
    data = struct.pack(">hhih", key, version, correlation_id, -1) + body
    return struct.pack(">i", len(data)) + data


async def answer(reader):
    """Correlation id and body of the next answer."""
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    data = await reader.readexactly(size)
    return struct.unpack_from(">i", data)[0], data[4:]


async def test_an_unknown_version_of_api_versions_is_answered_in_version_0(broker):
    async with connected(broker) as (reader, writer):
        writer.write(request(API_VERSIONS, 99))
        correlation_id, body = await answer(reader)
        found = message_class("ApiVersionsResponse").decode(body, version=0)
        assert correlation_id == 7
        assert found.error_code == ErrorCode.UNSUPPORTED_VERSION
        assert [key.api_key for key in found.api_keys] == [API_VERSIONS]


async def test_the_table_is_told_and_its_header_is_never_flexible(broker):
    async with connected(broker) as (reader, writer):
        writer.write(request(API_VERSIONS, 3, b"\0" + b"\2x\2y\0"))
        _, body = await answer(reader)
        found = message_class("ApiVersionsResponse").decode(body, version=3)
        told = {key.api_key: (key.min_version, key.max_version) for key in found.api_keys}
        assert told == {key: (api.first, api.last) for key, api in APIS.items()}
        assert told[0] == (0, 9), "0 tells old librdkafka that batches may be compressed"


@pytest.mark.parametrize(
    "data",
    [
        request(METADATA, 99),
        request(12345, 0),
        request(METADATA, 5, b"\0"),
        struct.pack(">i", -5),
        struct.pack(">i", 2**31 - 1),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["version", "api", "body", "negative", "huge", "http"],
)
async def test_what_cannot_be_answered_ends_the_connection(broker, data):
    async with connected(broker) as (reader, writer):
        writer.write(data)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await answer(reader)
    async with connected(broker) as (reader, writer):
        writer.write(request(API_VERSIONS, 0))
        assert (await answer(reader))[0] == 7


async def test_a_request_may_come_byte_by_byte(broker):
    async with connected(broker) as (reader, writer):
        for byte in request(API_VERSIONS, 0):
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await answer(reader))[0] == 7


async def test_answers_come_in_the_order_of_requests_though_one_waits(broker):
    topics = message_class("FetchRequest")(
        version=4,
        replica_id=-1,
        max_wait_ms=200,
        min_bytes=1,
        max_bytes=1000,
        isolation_level=0,
        topics=[],
    )
    async with connected(broker) as (reader, writer):
        waits = request(FETCH, 4, bytes(topics.encode()), correlation_id=1)
        writer.write(waits + request(API_VERSIONS, 0, correlation_id=2))
        assert [(await answer(reader))[0], (await answer(reader))[0]] == [1, 2]


async def test_more_requests_than_may_wait_are_all_answered(broker):
    async with connected(broker) as (reader, writer):
        for number in range(500):
            writer.write(request(API_VERSIONS, 0, correlation_id=number))
        assert [(await answer(reader))[0] for _ in range(500)] == list(range(500))
