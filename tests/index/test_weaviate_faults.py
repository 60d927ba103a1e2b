"""Weaviate away, frozen, read-only or changed: what callers are told, and what survives."""

import asyncio
import os
import secrets
import signal
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest
import weaviate
from weaviate.classes.config import Configure, DataType, Property

from stepwell.schemas.documents import Document, Embedded, Removal
from stepwell.streams.errors import IndexSchemaMismatch, IndexUnavailable
from stepwell.streams.index.weaviate.index import WeaviateIndex
from stepwell.streams.index.weaviate.session import WeaviateAddress
from stepwell.streams.ports import WriteStatus
from tests.servers import restart, running_weaviate, start

pytestmark = pytest.mark.weaviate

ROUNDS = 8
STORED, RETRY, REFUSED = WriteStatus.STORED, WriteStatus.RETRY, WriteStatus.REFUSED


def embedded(key, dimension=4):
    document = Document(key, "issue", "r", 1, "t", "b", "open", "u", "2026-03-01T10:00:00Z")
    vector = np.random.default_rng(list(key.encode())).standard_normal(dimension)
    return Embedded(document, vector.astype(np.float32), "m")


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def index_at(server, collection, *, dimension=4, deadline_s=10.0, **ports):
    http_port, grpc_port = ports.get("http", server.http_port), ports.get("grpc", server.grpc_port)
    address = WeaviateAddress(server.http_host, http_port, grpc_port)
    return WeaviateIndex(address, collection=collection, dimension=dimension, deadline_s=deadline_s)


@asynccontextmanager
async def opened(index):
    await index.open()
    try:
        yield index
    finally:
        await index.close()


@pytest.fixture
def name():
    return f"Faults{secrets.token_hex(4)}"


@pytest.fixture
async def admin(weaviate_server, name):
    """The client by itself, to do to the collection what we would not."""
    client = weaviate.use_async_with_local(
        port=weaviate_server.http_port, grpc_port=weaviate_server.grpc_port, skip_init_checks=True
    )
    async with client:
        yield client
        await client.collections.delete([name, f"{name}Removed"])


@pytest.fixture(scope="module")
def own_server():
    with running_weaviate() as server:
        yield server


async def test_processes_that_start_at_once_share_one_collection(weaviate_server, admin, name):
    indexes = [index_at(weaviate_server, name) for _ in range(8)]
    for _ in range(ROUNDS):  # one in eight has somebody who finds it before it can be queried
        await asyncio.gather(*(index.open() for index in indexes))
        await indexes[0].upsert([embedded("a")])
        assert [await index.count() for index in indexes] == [1] * len(indexes)
        await asyncio.gather(*(index.close() for index in indexes))
        await admin.collections.delete([name, f"{name}Removed"])


async def test_a_collection_with_another_dimension_is_not_opened(weaviate_server, admin, name):
    async with opened(index_at(weaviate_server, name)) as index:
        await index.upsert([embedded("a")])
    with pytest.raises(IndexSchemaMismatch, match=r"dimension 4, the model makes 5"):
        await index_at(weaviate_server, name, dimension=5).open()


async def test_a_collection_of_another_shape_is_not_opened(weaviate_server, admin, name):
    await admin.collections.create(
        name,
        properties=[Property(name="number", data_type=DataType.TEXT)],
        vector_config=Configure.Vectors.self_provided(name="other"),
    )
    with pytest.raises(IndexSchemaMismatch) as caught:
        await index_at(weaviate_server, name).open()
    message = str(caught.value)
    assert f"collection {name}" in message
    assert "property title is missing" in message
    assert "property number is text, not int" in message
    assert "no vectors named default and write" in message


async def test_the_server_refuses_a_dimension_we_did_not_know_of(weaviate_server, admin, name):
    async with (
        opened(index_at(weaviate_server, name)) as index,
        opened(index_at(weaviate_server, name, dimension=5)) as other,
    ):
        await index.upsert([embedded("a")])
        outcomes = await other.upsert([embedded("b", 5), embedded("c", 5)])
        assert statuses(outcomes) == [REFUSED, REFUSED]
        assert "dimensions do not match" in outcomes[0].detail


async def test_a_read_only_collection_loses_nothing(weaviate_server, admin, name):
    async with opened(index_at(weaviate_server, name)) as index:
        await index.upsert([embedded("old")])
        await admin.collections.use(name).config.update_shards(status="READONLY")
        objects = [embedded(key) for key in "abc"]
        outcomes = await index.upsert(objects)
        assert statuses(outcomes) == [RETRY] * 3
        assert "read-only" in outcomes[2].detail
        assert statuses(await index.upsert(objects[:1])) == [RETRY]
        removals = [Removal(key, "2026-03-02T10:00:00Z") for key in ("old", "older")]
        assert statuses(await index.remove(removals)) == [RETRY] * 2
        await admin.collections.use(name).config.update_shards(status="READY")
        assert statuses(await index.upsert(objects)) == [STORED] * 3
        assert statuses(await index.remove(removals)) == [STORED] * 2
        assert await index.count() == 3


async def test_a_collection_deleted_while_in_use_is_named(weaviate_server, admin, name):
    async with opened(index_at(weaviate_server, name)) as index:
        await index.upsert([embedded("a")])
        await admin.collections.delete(name)
        for call in (
            index.upsert([embedded("a"), embedded("b")]),
            index.remove([Removal("a", "2026-03-02T10:00:00Z")]),
            index.search(np.ones(4, np.float32), limit=1),
            index.count(),
        ):
            with pytest.raises(IndexSchemaMismatch, match="deleted while in use"):
                await call


async def test_wrong_ports_are_told_before_the_deadline_or_at_it(weaviate_server, admin, name):
    http, grpc = weaviate_server.http_port, weaviate_server.grpc_port
    for ports in ({"http": grpc, "grpc": http}, {"http": 1}, {"grpc": 1}):
        index = index_at(weaviate_server, name, deadline_s=1.0, **ports)
        with pytest.raises(IndexUnavailable, match=r"Weaviate at 127\.0\.0\.1:"):
            await index.open()


async def test_a_frozen_server_costs_the_deadline_and_no_more(own_server, name):
    async with opened(index_at(own_server, name, deadline_s=2.0)) as index:
        await index.upsert([embedded("a")])
        os.kill(own_server.pid, signal.SIGSTOP)
        try:
            for call in (
                index.upsert([embedded("b")]),
                index.remove([Removal("a", "2026-03-02T10:00:00Z")]),
                index.search(np.ones(4, np.float32), limit=1),
                index_at(own_server, name, deadline_s=2.0).open(),
            ):
                with pytest.raises(IndexUnavailable, match="did not answer within 2 s"):
                    await call
        finally:
            os.kill(own_server.pid, signal.SIGCONT)
        patient = index_at(own_server, name)
        assert statuses(await patient.upsert([embedded("b")])) == [STORED]
        assert statuses(await index.upsert([embedded("b")])) == [STORED]
        await patient.close()


async def test_a_killed_server_is_used_again_when_it_is_back(own_server, name):
    async with opened(index_at(own_server, name, deadline_s=2.0)) as index:
        await index.upsert([embedded("a"), embedded("b")])
        os.kill(await pid_of(own_server), signal.SIGKILL)
        with pytest.raises(IndexUnavailable):
            await index.upsert([embedded("c")])
        never_opened = index_at(own_server, name, deadline_s=2.0)
        with pytest.raises(IndexUnavailable):
            await never_opened.upsert([embedded("c")])
        await asyncio.to_thread(restart, "weaviate", own_server.name)
        assert statuses(await until_answered(index.upsert, [embedded("c")])) == [STORED]
        assert statuses(await never_opened.upsert([embedded("d")])) == [STORED]
        await never_opened.close()


async def test_what_was_stored_is_found_after_a_crash(own_server, name):
    async with opened(index_at(own_server, name)) as index:
        objects = [embedded(f"k{number}") for number in range(50)]
        assert set(statuses(await index.upsert(objects))) == {STORED}
        os.kill(await pid_of(own_server), signal.SIGKILL)
        await asyncio.to_thread(restart, "weaviate", own_server.name)
        assert len(await until_answered(found, index)) == 50


async def test_a_crash_in_the_middle_of_a_call_is_healed_by_the_retry(own_server, name):
    async with opened(index_at(own_server, name, deadline_s=3.0)) as index:
        objects = [embedded(f"k{number}") for number in range(300)]
        for size in (50, 300):  # the first batch is written again by the second
            pid = await pid_of(own_server)
            call = asyncio.create_task(index.upsert(objects[:size]))
            async with asyncio.timeout(10):
                while not await index.count():
                    pass
            os.kill(pid, signal.SIGKILL)
            with suppress(IndexUnavailable):
                await call
            await asyncio.to_thread(restart, "weaviate", own_server.name)
        assert set(statuses(await until_answered(index.upsert, objects))) == {STORED}
        assert await found(index) == {one.document.key for one in objects}


async def pid_of(server):
    """The pid now: after a restart it is another than at first."""
    return (await asyncio.to_thread(start, "weaviate", server.name))["pid"]


async def found(index):
    """The keys that a search finds."""
    hits = await index.search(np.ones(4, np.float32), limit=1000)
    return {hit.document.key for hit in hits}


async def until_answered(call, *arguments):
    """The answer, once the server is back."""
    async with asyncio.timeout(60):
        while True:
            with suppress(IndexUnavailable):
                return await call(*arguments)
