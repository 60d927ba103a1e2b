"""Consumer groups: who reads what, how far they have come, and who may say so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import NewPartitions
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata

from tests.contract.log_contract_clients import LogFixtures, created
from tests.kafka.broker import Broker, unique
from tests.kafka.conditions import eventually

PARTITIONS = 6
SHARES = [2, 2, 2]


class Member(ConsumerRebalanceListener):
    """A consumer that counts how often it was given partitions."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self.consumer = consumer
        self.assigned = 0

    @property
    def partitions(self) -> set[int]:
        return {tp.partition for tp in self.consumer.assignment()}

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Nothing to give up."""

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self.assigned += 1


@asynccontextmanager
async def member(broker: Broker, topic: str, group: str, **settings: Any) -> AsyncIterator[Member]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        heartbeat_interval_ms=100,
        session_timeout_ms=6_000,
        **settings,
    )
    joined = Member(consumer)
    consumer.subscribe([topic], listener=joined)
    async with consumer:
        yield joined


class GroupsContract(LogFixtures):
    """A group shares partitions among its members."""

    @pytest.mark.parametrize(
        "assignor",
        [RangePartitionAssignor, RoundRobinPartitionAssignor, StickyPartitionAssignor],
        ids=lambda assignor: assignor.name,
    )
    async def test_three_members_share_and_take_over_from_one_who_leaves(self, broker, assignor):
        topic, group = await created(broker, PARTITIONS), unique("group")
        settings = {"partition_assignment_strategy": (assignor,)}
        async with AsyncExitStack() as staying:
            members = [
                await staying.enter_async_context(member(broker, topic, group, **settings))
                for _ in range(2)
            ]
            async with member(broker, topic, group, **settings) as leaving:
                await eventually(lambda: shares(*members, leaving) == SHARES, "they share in three")
                await each_reads_its_own(broker, topic, [*members, leaving])
            await eventually(lambda: shares(*members) == [3, 3], "two take over")
            await each_reads_its_own(broker, topic, members)

    async def test_what_was_committed_is_where_the_next_one_starts(self, broker):
        topic, group = await created(broker, 2), unique("group")
        for number in range(10):
            await broker.send(topic, None, b"%d" % number, number % 2)
        async with member(broker, topic, group) as first:
            for _ in range(10):
                await first.consumer.getone()
            places = {
                TopicPartition(topic, 0): OffsetAndMetadata(3, "because"),
                TopicPartition(topic, 1): OffsetAndMetadata(4, ""),
            }
            await first.consumer.commit(places)
            assert await first.consumer.committed(TopicPartition(topic, 0)) == 3
        assert await broker.committed(group, topic) == {0: 3, 1: 4}
        admin = await broker.admin()
        assert await admin.list_consumer_group_offsets(group) == places
        async with member(broker, topic, group) as second:
            got = {await place(second.consumer) for _ in range(3)}
        assert got == {(0, 3), (0, 4), (1, 4)}

    async def test_a_group_without_members_may_be_committed_for(self, broker, topic):
        group = unique("group")
        await broker.commit(group, topic, 7)
        assert await broker.committed(group, topic) == {0: 7}
        await broker.commit(group, topic, 2)
        assert await broker.committed(group, topic) == {0: 2}

    async def test_nobody_else_commits_for_a_group_with_members(self, broker, topic):
        group = unique("group")
        async with member(broker, topic, group) as one:
            await eventually(lambda: one.partitions, "it has joined")
            with pytest.raises(CommitFailedError):
                await broker.commit(group, topic, 7)
        assert await broker.committed(group, topic) == {}

    async def test_a_group_of_which_nothing_is_known_has_committed_nothing(self, broker, topic):
        admin = await broker.admin()
        assert await admin.list_consumer_group_offsets(unique("group")) == {}
        async with AIOKafkaConsumer(
            bootstrap_servers=broker.bootstrap, group_id=unique("group")
        ) as consumer:
            consumer.assign([TopicPartition(topic, 0)])
            assert await consumer.committed(TopicPartition(topic, 0)) is None

    async def test_groups_are_listed_and_described(self, broker):
        topic, group = await created(broker, 2), unique("group")
        admin = await broker.admin()
        async with member(broker, topic, group, client_id="the-client") as one:
            await eventually(lambda: one.partitions, "it has joined")
            assert (group, "consumer") in {(g[0], g[1]) for g in await admin.list_consumer_groups()}
            described = await description(broker, group)
            assert described[:4] == (0, group, "Stable", "consumer")
            ((member_id, client_id, *_),) = described[5]
            assert client_id == "the-client"
            assert member_id.startswith("the-client-")
        described = await description(broker, group)
        assert (described[2], described[5]) == ("Empty", [])
        assert (await description(broker, unique("group")))[2] == "Dead"

    async def test_a_static_member_comes_back_without_disturbing_others(self, broker):
        topic, group = await created(broker, PARTITIONS), unique("group")
        async with member(broker, topic, group, group_instance_id="stays") as stays:
            async with member(broker, topic, group, group_instance_id="returns") as returns:
                await eventually(lambda: shares(stays, returns) == [3, 3], "they share")
                await each_reads_its_own(broker, topic, [stays, returns])
                before, rounds = returns.partitions, stays.assigned
            async with member(broker, topic, group, group_instance_id="returns") as returns:
                await eventually(lambda: returns.partitions, "it is back")
                assert returns.partitions == before
                await each_reads_its_own(broker, topic, [stays, returns])
                assert stays.assigned == rounds

    async def test_a_topic_that_grows_is_shared_anew(self, broker):
        topic, group = await created(broker, 2), unique("group")
        async with member(broker, topic, group, metadata_max_age_ms=200) as one:
            await eventually(lambda: one.partitions == {0, 1}, "it reads both")
            await (await broker.admin()).create_partitions({topic: NewPartitions(4)})
            await eventually(lambda: one.partitions == {0, 1, 2, 3}, "it reads all four")


def shares(*members: Member) -> list[int]:
    """How many partitions each reads; nothing as long as some are read by none or by two."""
    owned = [one.partitions for one in members]
    whole = sorted(number for part in owned for number in part) == list(range(PARTITIONS))
    return [len(part) for part in owned] if whole else []


async def each_reads_its_own(broker: Broker, topic: str, members: list[Member]) -> None:
    """A record to each partition arrives at the one who reads it."""
    await asyncio.gather(*(broker.send(topic, None, b"x", n) for n in range(PARTITIONS)))
    for one in members:
        got = {(await one.consumer.getone()).partition for _ in one.partitions}
        assert got == one.partitions
        await one.consumer.commit()


async def place(consumer: AIOKafkaConsumer) -> tuple[int, int]:
    record = await consumer.getone()
    return record.partition, record.offset


async def description(broker: Broker, group: str) -> tuple:
    (answer,) = await (await broker.admin()).describe_consumer_groups([group])
    (described,) = answer.groups
    return tuple(described)
