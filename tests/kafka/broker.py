"""A broker seen from outside: topics, records, committed offsets. What the tests judge by."""

import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import ConsumerRecord

COMPACTED = {"cleanup.policy": "compact"}


@dataclass
class Broker:
    """Plain clients of one broker."""

    bootstrap: str
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)
    _admin: AIOKafkaAdminClient | None = None
    _producer: AIOKafkaProducer | None = None

    async def create(self, partitions: int, **topics: Mapping[str, str]) -> None:
        """Create topics; an underscore stands for the dash in their names."""
        admin = await self.admin()
        await admin.create_topics(
            [
                NewTopic(name.replace("_", "-"), partitions, 1, topic_configs=dict(config))
                for name, config in topics.items()
            ]
        )

    async def admin(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            self._admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
            await self._admin.start()
            self._open.push_async_callback(self._admin.close)
        return self._admin

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, partition: int = 0
    ) -> int:
        """Append one record; its offset."""
        if self._producer is None:
            self._producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
            await self._open.enter_async_context(self._producer)
        sent = await self._producer.send_and_wait(topic, value, key=key, partition=partition)
        return sent.offset

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """The committed offset of each partition that has one."""
        admin = await self.admin()
        offsets = await admin.list_consumer_group_offsets(group)
        return {
            tp.partition: found.offset
            for tp, found in offsets.items()
            if tp.topic == topic and found.offset >= 0
        }

    async def commit(self, group: str, topic: str, offset: int, partition: int = 0) -> None:
        """Commit for a group that nobody is in."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            group_id=group,
            enable_auto_commit=False,  # on its way out it would commit where it was reset to
        )
        async with consumer:
            consumer.assign([TopicPartition(topic, partition)])
            await consumer.commit({TopicPartition(topic, partition): offset})

    async def abandoned(self, group: str) -> bool:
        """Whether nobody is left in a group."""
        admin = await self.admin()
        (answer,) = await admin.describe_consumer_groups([group])
        (described,) = answer.to_object()["groups"]
        return not described["members"]

    async def ends(self, topic: str, partitions: int) -> dict[int, int]:
        """The next offset of each partition."""
        async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap) as consumer:
            tps = [TopicPartition(topic, number) for number in range(partitions)]
            return {tp.partition: end for tp, end in (await consumer.end_offsets(tps)).items()}

    async def records(self, topic: str, partitions: int) -> list[ConsumerRecord]:
        """Everything a topic holds now, in order per partition."""
        found: list[ConsumerRecord] = []
        async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap) as consumer:
            tps = [TopicPartition(topic, number) for number in range(partitions)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            for tp, start in (await consumer.beginning_offsets(tps)).items():
                consumer.seek(tp, start)
            for tp in tps:
                while await consumer.position(tp) < ends[tp]:
                    for records in (await consumer.getmany(tp, timeout_ms=200)).values():
                        found += records
        return found

    async def close(self) -> None:
        await self._open.aclose()


def unique(prefix: str) -> str:
    """A name of one's own on a shared broker."""
    return f"{prefix}-{secrets.token_hex(4)}"
