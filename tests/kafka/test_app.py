"""A worker's life: start, run, give partitions up, end."""

import asyncio
from dataclasses import replace

import pytest

from stepwell.streams.errors import BrokerUnavailable, ConfigurationError, TopicMismatch
from stepwell.streams.kafka.app import KafkaAppConfig, create_app, raw_topic
from stepwell.streams.kafka.errors import NotOwner, RecordTooLarge, RevokeTimedOut
from stepwell.streams.kafka.running import run_app
from tests.kafka.broker import Broker
from tests.kafka.conditions import eventually
from tests.kafka.flavours import Built, Setup, ours, safe_app

NOBODY = "127.0.0.1:1"


def test_rocksdb_needs_a_folder():
    config = KafkaAppConfig(NOBODY, "app", 1, store="rocksdb")
    with pytest.raises(ConfigurationError, match="data_dir"):
        create_app(config)


async def test_without_a_broker_it_says_so(tmp_path):
    app = safe_app(Setup(NOBODY, tmp_path))
    with pytest.raises(BrokerUnavailable, match=NOBODY):
        await run_app(app, asyncio.Event())


@pytest.mark.kafka
class TestTopics:
    async def test_a_missing_topic_is_named(self, setup):
        with pytest.raises(TopicMismatch, match="does not exist"):
            await run_app(ours(setup).app, asyncio.Event())

    async def test_another_number_of_partitions_is_refused(self, setup, broker):
        await setup.create_topics(broker)
        built = ours(replace(setup, partitions=3))
        with pytest.raises(TopicMismatch, match="1 partitions, not 3"):
            await run_app(built.app, asyncio.Event())

    async def test_appending_to_a_topic_that_was_not_declared_is_refused(self, setup, broker):
        await setup.create_topics(broker)
        built = ours(setup)
        async with built.running():
            with pytest.raises(TopicMismatch, match="declare"):
                built.app.producer.append("other", key=b"k", value=b"v", partition=0)
            with pytest.raises(TopicMismatch, match="partitions 0 to 0, not 1"):
                built.app.producer.append(setup.source, key=b"k", value=b"v", partition=1)


@pytest.mark.kafka
class TestRunning:
    async def test_it_runs_until_told_to_stop(self, setup, broker):
        await setup.create_topics(broker)
        stop, built, seen = asyncio.Event(), ours(setup), []

        async def body(stream):
            async for event in stream.events():
                seen.append(event.value)
                stop.set()

        built.agent(body)
        await broker.send(setup.source, b"key", b"value")
        await asyncio.wait_for(run_app(built.app, stop), 20)
        assert seen == [b"value"]
        assert await broker.committed(setup.app_id, setup.source) == {0: 1}

    async def test_it_can_be_stopped_before_it_is_ready(self, setup, broker):
        await setup.create_topics(broker)
        stop, built = asyncio.Event(), ours(setup)

        @built.app.on_recovered
        async def never_ready(_):
            stop.set()
            await asyncio.Event().wait()

        await asyncio.wait_for(run_app(built.app, stop), 20)

    async def test_what_an_agent_raises_ends_it(self, setup, broker):
        await setup.create_topics(broker)
        await broker.send(setup.source, b"key", b"value")
        built = ours(setup)

        async def body(stream):
            async for event in stream.events():
                int(event.value)

        built.agent(body)
        with pytest.raises(ValueError, match="invalid literal"):
            await asyncio.wait_for(run_app(built.app, asyncio.Event()), 20)


@pytest.mark.kafka
class TestRows:
    async def test_rows_are_refused_for_partitions_of_others(self, setup, broker):
        await setup.create_topics(broker)
        built = ours(setup)
        with pytest.raises(NotOwner):
            built.table.put(0, b"key", b"too early")
        async with built.running():
            built.table.put(0, b"key", b"value")
            with pytest.raises(NotOwner, match="it owns"):
                built.table.put(1, b"key", b"not ours")
        with pytest.raises(NotOwner):
            built.table.delete(0, b"key")
        assert [r.value for r in await broker.records(setup.changelog, 1)] == [b"value"]

    async def test_a_row_that_is_too_large_changes_nothing(self, setup, broker):
        await setup.create_topics(broker)
        built = ours(replace(setup, record_bytes_max=10_000))
        async with built.running():
            built.table.put(0, b"key", b"before")
            with pytest.raises(RecordTooLarge, match="10135 bytes, the limit is 10000"):
                built.table.put(0, b"key", bytes(10_004))
            assert built.table.row(0, b"key") == b"before"
            await built.app.producer.flush()
        assert built.crash_reason is None
        assert len(await broker.records(setup.changelog, 1)) == 1

    async def test_rows_are_there_again_after_a_restart(self, setup, broker):
        await setup.create_topics(broker)
        built = ours(setup)
        async with built.running():
            built.table.put(0, b"a", b"1")
            built.table.put(0, b"b", b"1")
            built.table.delete(0, b"a")
        found: list[list[tuple[bytes, bytes]]] = []
        built = ours(setup)

        @built.app.on_recovered
        async def look(partitions):
            found.extend(list(built.table.partition_rows(number)) for number in partitions)

        async with built.running():
            assert found == [[(b"b", b"1")]]


@pytest.mark.kafka
class TestGivingUp:
    async def test_first_the_event_in_hand_then_the_callback_then_the_commit(self, setup, broker):
        setup = replace(setup, commit_interval_ms=3_600_000)
        await setup.create_topics(broker)
        await broker.send(setup.source, b"key", b"value")
        built, in_hand, order = ours(setup), asyncio.Event(), []

        async def body(stream):
            async for _ in stream.events():
                in_hand.set()
                await leaving.wait()
                order.append("event")

        @built.app.on_revoked
        async def told(partitions):
            committed = await broker.committed(setup.app_id, setup.source)
            order.append((set(partitions), committed))

        built.agent(body)
        leaving = asyncio.Event()
        async with built.running():
            await asyncio.wait_for(in_hand.wait(), 20)
            asyncio.get_running_loop().call_later(0.1, leaving.set)
        assert order == ["event", ({0}, {})]
        assert await broker.committed(setup.app_id, setup.source) == {0: 1}

    async def hanging(self, built: Built, setup: Setup, broker: Broker) -> BaseException | None:
        await setup.create_topics(broker)
        await broker.send(setup.source, b"key", b"value")
        async with built.running():
            await eventually(lambda: built.app.consumer.delivered_total, "the event is delivered")
            await asyncio.sleep(0)
        return built.crash_reason

    async def test_a_callback_that_hangs_does_not_hold_the_partitions_for_ever(self, setup, broker):
        built = ours(setup, revoke_timeout_ms=200)

        async def body(stream):
            async for _ in stream.events():
                pass

        built.agent(body)
        built.app.on_revoked(lambda _: asyncio.Event().wait())
        crash = await self.hanging(built, setup, broker)
        assert isinstance(crash, RevokeTimedOut)
        assert "an on_revoked callback" in str(crash)

    async def test_nor_does_an_event_that_is_never_finished(self, setup, broker):
        built = ours(setup, revoke_timeout_ms=200)

        async def body(stream):
            async for _ in stream.events():
                await asyncio.Event().wait()

        built.agent(body)
        crash = await self.hanging(built, setup, broker)
        assert isinstance(crash, RevokeTimedOut)
        assert f"in hand: {setup.source}-0@0" in str(crash)
        assert await broker.committed(setup.app_id, setup.source) == {}


@pytest.mark.kafka
async def test_an_agent_that_is_behind_does_not_hold_up_another_one(setup, broker):
    await setup.create_topics(broker)
    other = f"{setup.source}-other"
    await broker.create(1, **{other: {}})
    built = ours(setup, buffered_events_max=5)
    go_on, slow, quick = asyncio.Event(), [], []

    async def slow_body(stream):
        async for event in stream.events():
            await go_on.wait()
            slow.append(event.message.offset)

    def note(message):
        quick.append((message.topic, message.offset))

    async def quick_body(stream):
        async for event in stream.events():
            note(event.message)

    built.agent(slow_body)
    built.app.agent(raw_topic(built.app, other), name="quick", concurrency=1)(quick_body)
    for _ in range(1200):
        await broker.send(setup.source, b"key", b"value")
    async with built.running():
        await eventually(lambda: built.app.consumer.held_back == {setup.source}, "it is held back")
        await broker.send(other, b"key", b"value")
        await eventually(lambda: quick == [(other, 0)], "the other topic flows")
        go_on.set()
        await eventually(lambda: slow == list(range(1200)), "the first one catches up, in order")
