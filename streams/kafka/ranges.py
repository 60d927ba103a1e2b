"""Looks into topics without a trace: in no group; at what is committed, unless told otherwise."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError, for_code
from aiokafka.partitioner import DefaultPartitioner

from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.kafka.onlooker import make_onlooker
from stepwell.streams.kafka.security import Security

POLL_MS = 1000
"""A poll returns sooner when there is something."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The first offset of a partition, and the next one of those that are committed."""

    earliest: int
    end: int


class LogReader:
    """Reads ranges of offsets; made by `open_log`. One reader reads one range at a time."""

    def __init__(self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient) -> None:
        self._consumer = consumer
        self._admin = admin

    async def topics(self) -> dict[str, list[int]]:
        """Every topic with its partitions."""
        return {
            topic["topic"]: sorted(each["partition"] for each in topic["partitions"])
            for topic in await self._admin.describe_topics()
            if topic["error_code"] == 0
        }

    async def bounds(self, topic: str, partitions: Sequence[int]) -> dict[int, Bounds]:
        """What each partition holds now."""
        tps = [TopicPartition(topic, partition) for partition in partitions]
        first = await self._consumer.beginning_offsets(tps)
        end = await self._consumer.end_offsets(tps)
        return {tp.partition: Bounds(first[tp], max(first[tp], end[tp])) for tp in tps}

    async def offsets_at(
        self, topic: str, partitions: Sequence[int], time_ms: int
    ) -> dict[int, int | None]:
        """The first offset of each partition whose record is not older; None: there is none."""
        times = {TopicPartition(topic, partition): time_ms for partition in partitions}
        found = await self._consumer.offsets_for_times(times)
        return {tp.partition: at.offset if at else None for tp, at in found.items()}

    async def committed(self, group: str) -> dict[tuple[str, int], int]:
        """How far a group has committed; looking does not join it."""
        found = await self._admin.list_consumer_group_offsets(group)
        return {tuple(tp): at.offset for tp, at in found.items() if at.offset >= 0}

    async def owner(self, group: str, topic: str, partition: int) -> str | None:
        """The member of a group that a partition is assigned to; None: it is nobody's."""
        for response in await self._admin.describe_consumer_groups([group]):
            for error_code, _, _, _, _, members, *_ in response.groups:
                if error_code:
                    raise for_code(error_code)
                for member_id, _, host, _, assignment in members:
                    if (topic, partition) in _assigned(assignment):
                        return f"{member_id} at {host}"
        return None

    async def read(
        self, topic: str, ranges: Mapping[int, tuple[int, int]]
    ) -> AsyncIterator[ConsumerRecord]:
        """The records from the first offset to before the second, in order within a partition."""
        ends = {TopicPartition(topic, one): end for one, (_, end) in ranges.items()}
        pending = {tp for tp, end in ends.items() if ranges[tp.partition][0] < end}
        if not pending:
            return
        self._consumer.assign(list(pending))
        for tp in pending:
            self._consumer.seek(tp, ranges[tp.partition][0])
        while pending:
            found = await self._consumer.getmany(*pending, timeout_ms=POLL_MS)
            for tp, records in found.items():
                for record in records:
                    if record.offset < ends[tp]:
                        yield record
            # The position moves past gaps (compaction, transactions), so it tells the end.
            pending = {tp for tp in pending if await self._consumer.position(tp) < ends[tp]}
            await asyncio.sleep(0)  # a long range must not hold up the loop


@asynccontextmanager
async def open_log(
    bootstrap: str, security: Security | None = None, *, uncommitted: bool = False
) -> AsyncIterator[LogReader]:
    """A reader; within, every failure of Kafka is raised as `BrokerUnavailable`.

    With `uncommitted` it reads what is not committed too, and ranges may end behind that.
    """
    options = (security or Security()).client_options()
    consumer = make_onlooker(bootstrap, security=security, reset="none", uncommitted=uncommitted)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **options)
    try:
        await consumer.start()
        await admin.start()
        yield LogReader(consumer, admin)
    except KafkaError as error:
        raise BrokerUnavailable(f"Kafka at {bootstrap}: the log was not read: {error!r}") from error
    finally:
        await admin.close()
        await consumer.stop()


def partition_of(key: bytes, partitions: Sequence[int]) -> int:
    """Where every producer of ours appends a key."""
    return int(DefaultPartitioner()(key, list(partitions), list(partitions)))


def _assigned(assignment: bytes) -> list[tuple[str, int]]:
    if not assignment:  # a rebalance is under way
        return []
    found = ConsumerProtocolMemberAssignment.decode(assignment).assignment
    return [(topic, partition) for topic, partitions in found for partition in partitions]
