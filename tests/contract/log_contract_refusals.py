"""Requests that well-behaved clients do not send: each is refused with Kafka's own error code."""

import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, LeaveGroupRequest, SyncGroupRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from tests.contract.log_contract_clients import LogFixtures, values
from tests.contract.log_contract_groups import member
from tests.kafka.broker import Broker, unique
from tests.kafka.conditions import eventually

CORRUPT, UNKNOWN_TOPIC, INVALID_ACKS = 2, 3, 21
ILLEGAL_GENERATION, UNKNOWN_MEMBER, UNSUPPORTED_VERSION = 22, 25, 35
OUT_OF_ORDER, INVALID_EPOCH, INVALID_RECORD = 45, 47, 87
PRODUCER = 2**40
"""A producer id that nobody was given: accepted, as after its records have expired."""


class RefusalsContract(LogFixtures):
    """What is wrong is refused, and leaves nothing."""

    @pytest.fixture
    async def client(self, bootstrap: str) -> AsyncIterator[AIOKafkaClient]:
        client = AIOKafkaClient(bootstrap_servers=bootstrap)
        await client.bootstrap()
        yield client
        await client.close()

    async def test_a_batch_whose_checksum_is_wrong(self, client, broker, topic):
        damaged = bytearray(batch(b"value"))
        damaged[-3] ^= 1
        assert await append(client, topic, bytes(damaged)) == (CORRUPT, -1)
        assert await append(client, topic, batch(b"value")) == (0, 0)
        assert await values(broker, topic) == [b"value"]

    async def test_bytes_that_are_no_batch(self, client, broker, topic):
        for garbage in (b"\xff" * 61, batch(b"value")[:-1], batch(b"value")[:20]):
            code, offset = await append(client, topic, garbage)
            assert code in {CORRUPT, INVALID_RECORD}
            assert offset == -1
        assert await values(broker, topic) == []

    async def test_acknowledgements_that_do_not_exist(self, client, broker, topic):
        assert await append(client, topic, batch(b"x"), acks=2) == (INVALID_ACKS, -1)
        assert await values(broker, topic) == []

    async def test_a_partition_that_is_not_there(self, client, topic):
        code, _ = await append(client, topic, batch(b"x"), partition=7)
        assert code == UNKNOWN_TOPIC

    async def test_an_idempotent_batch_that_comes_again_is_stored_once(self, client, broker, topic):
        for sequence in range(7):
            assert await append(client, topic, idempotent(sequence)) == (0, sequence)
        for sequence in (6, 5, 4, 3, 2):
            assert await append(client, topic, idempotent(sequence)) == (0, sequence)
        assert len(await values(broker, topic)) == 7

    async def test_a_gap_in_an_idempotent_sequence(self, client, broker, topic):
        assert await append(client, topic, idempotent(0)) == (0, 0)
        assert (await append(client, topic, idempotent(2)))[0] == OUT_OF_ORDER
        assert await append(client, topic, idempotent(1)) == (0, 1)
        assert len(await values(broker, topic)) == 2

    async def test_an_epoch_starts_its_sequence_anew_and_ends_those_before(self, client, topic):
        assert await append(client, topic, idempotent(0)) == (0, 0)
        assert (await append(client, topic, idempotent(5, epoch=1)))[0] == OUT_OF_ORDER
        assert await append(client, topic, idempotent(0, epoch=1)) == (0, 1)
        assert (await append(client, topic, idempotent(1)))[0] == INVALID_EPOCH

    async def test_members_nobody_knows(self, client, broker, topic):
        known, unknown = unique("group"), unique("group")
        async with member(broker, topic, known) as one:
            await eventually(lambda: one.partitions, "it has joined")
            for group in (known, unknown):
                for request in (
                    HeartbeatRequest(group, 1, "nobody"),
                    SyncGroupRequest(group, 1, "nobody", "", []),
                    LeaveGroupRequest(group, "nobody"),
                ):
                    assert (await send(client, request)).error_code == UNKNOWN_MEMBER
            assert await commit(client, known, topic, 1, "nobody") == UNKNOWN_MEMBER
            assert await commit(client, unknown, topic, 1, "nobody") == ILLEGAL_GENERATION

    async def test_generations_that_are_over(self, client, broker, topic):
        group = unique("group")
        async with member(broker, topic, group) as one:
            await eventually(lambda: one.partitions, "it has joined")
            me, generation = await identity(broker, group), one.consumer._coordinator.generation
            for wrong in (generation - 1, generation + 1):
                request = HeartbeatRequest(group, wrong, me)
                assert (await send(client, request)).error_code == ILLEGAL_GENERATION
                assert await commit(client, group, topic, wrong, me) == ILLEGAL_GENERATION
            assert await commit(client, group, topic, generation, "nobody") == UNKNOWN_MEMBER
            assert await commit(client, group, topic, generation, me) == 0

    async def test_a_version_that_is_not_spoken_is_answered_in_the_oldest(self, bootstrap):
        host, port = bootstrap.rsplit(":", 1)
        request = struct.pack(">hhih1sx", 18, 99, 7, 1, b"x")  # with no tagged fields
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.recv(14, socket.MSG_WAITALL)
        _, correlation, code, count = struct.unpack(">iihi", answer)
        assert (correlation, code) == (7, UNSUPPORTED_VERSION)
        assert count > 0

    @pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0" * 64])
    async def test_what_is_not_kafka_at_all_ends_that_connection_only(
        self, bootstrap, broker, topic, garbage
    ):
        host, port = bootstrap.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(garbage)
            assert connection.recv(1) == b""
        assert await broker.send(topic, None, b"x") == 0


def batch(*contents: bytes, producer: tuple[int, int, int] = (-1, -1, -1)) -> bytes:
    """A batch as a client would send it."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, *producer, 16_384)
    for number, value in enumerate(contents):
        assert builder.append(number, 1_700_000_000_000, None, value, [])
    return bytes(builder.build())


def idempotent(sequence: int, epoch: int = 0) -> bytes:
    return batch(b"%d" % sequence, producer=(PRODUCER, epoch, sequence))


async def send(client: AIOKafkaClient, request: Any) -> Any:
    """Ask the one node there is."""
    (node,) = client.cluster.brokers()
    return await client.send(node.nodeId, request)


async def append(
    client: AIOKafkaClient, topic: str, records: bytes, partition: int = 0, acks: int = -1
) -> tuple[int, int]:
    """Error code and offset."""
    request = ProduceRequest(None, acks, 5_000, [(topic, [(partition, records)])])
    answer = await send(client, request)
    ((_, ((_, code, offset, *_),)),) = answer.topics
    return code, offset


async def commit(
    client: AIOKafkaClient, group: str, topic: str, generation: int, member_id: str
) -> int:
    """The error code."""
    request = OffsetCommitRequest(group, generation, member_id, -1, [(topic, [(0, 1, "")])])
    ((_, ((_, code),)),) = (await send(client, request)).topics
    return code


async def identity(broker: Broker, group: str) -> str:
    """The id of the only member."""
    (answer,) = await (await broker.admin()).describe_consumer_groups([group])
    return answer.groups[0][5][0][0]
