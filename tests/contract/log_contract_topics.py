"""Topics and their configs: made, described, changed, deleted; what is wrong is refused by code."""

import pytest
from aiokafka.admin import NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidPartitionsError, UnknownTopicOrPartitionError

from tests.contract.log_contract_clients import LogFixtures, created, producer, values
from tests.kafka.broker import Broker, unique
from tests.kafka.conditions import eventually

UNKNOWN_TOPIC, INVALID_TOPIC, EXISTS, INVALID_PARTITIONS, INVALID_REPLICATION, INVALID_CONFIG = (
    3,
    17,
    36,
    37,
    38,
    40,
)
TOPIC_DEFAULT, TOPIC_OWN = 5, 1
"""Where a value comes from: the default, or the topic itself."""


class TopicsContract(LogFixtures):
    """What an operator does with topics."""

    async def test_a_topic_is_made_listed_and_described(self, broker):
        topic = await created(broker, 3)
        admin = await broker.admin()
        assert topic in await admin.list_topics()
        (described,) = await admin.describe_topics([topic])
        (node,) = (await admin.describe_cluster())["brokers"]
        assert described["error_code"] == 0
        assert not described["is_internal"]
        partitions = sorted(described["partitions"], key=lambda p: p["partition"])
        assert [p["partition"] for p in partitions] == [0, 1, 2]
        assert all(p["leader"] == node["node_id"] for p in partitions)
        assert all(p["replicas"] == p["isr"] == [node["node_id"]] for p in partitions)
        assert f"{node['host']}:{node['port']}" == broker.bootstrap

    async def test_configs_are_kept_and_others_have_defaults(self, broker):
        topic = await created(broker, retention_ms="1234", cleanup_policy="compact,delete")
        configs = await configs_of(broker, topic)
        assert configs["retention.ms"] == ("1234", TOPIC_OWN)
        assert configs["cleanup.policy"] == ("compact,delete", TOPIC_OWN)
        defaults = {
            "max.message.bytes": "1048588",
            "retention.bytes": "-1",
            "delete.retention.ms": "86400000",
            "min.cleanable.dirty.ratio": "0.5",
            "message.timestamp.type": "CreateTime",
        }
        assert {name: configs[name][0] for name in defaults} == defaults
        assert all(configs[name] == (value, TOPIC_DEFAULT) for name, value in defaults.items())

    @pytest.mark.parametrize(
        ("wrong", "code"),
        [
            ({"name": "a b"}, INVALID_TOPIC),
            ({"name": "x" * 250}, INVALID_TOPIC),
            ({"name": ".."}, INVALID_TOPIC),
            ({"name": ""}, INVALID_TOPIC),
            ({"num_partitions": 0}, INVALID_PARTITIONS),
            ({"replication_factor": 3}, INVALID_REPLICATION),
            ({"topic_configs": {"cleanup.policy": "sometimes"}}, INVALID_CONFIG),
            ({"topic_configs": {"retention.ms": "soon"}}, INVALID_CONFIG),
            ({"topic_configs": {"no.such.config": "1"}}, INVALID_CONFIG),
        ],
        ids=str,
    )
    async def test_what_cannot_be_is_refused_and_leaves_nothing(self, broker, wrong, code):
        facts = {"name": unique("log"), "num_partitions": 1, "replication_factor": 1} | wrong
        assert await create(broker, NewTopic(**facts)) == {facts["name"]: code}
        assert facts["name"] not in await (await broker.admin()).list_topics()

    async def test_one_wrong_topic_does_not_keep_others_from_being_made(self, broker, topic):
        other = unique("log")
        answer = await create(broker, NewTopic(topic, 1, 1), NewTopic(other, 1, 1))
        assert answer == {topic: EXISTS, other: 0}

    async def test_a_trial_makes_nothing(self, broker, topic):
        other = unique("log")
        wanted = [NewTopic(other, 1, 1), NewTopic(topic, 1, 1)]
        assert await create(broker, *wanted, validate_only=True) == {other: 0, topic: EXISTS}
        assert other not in await (await broker.admin()).list_topics()

    async def test_partitions_are_added_and_never_removed(self, broker, topic):
        await broker.send(topic, None, b"before")
        admin = await broker.admin()
        await admin.create_partitions({topic: NewPartitions(3)})
        await eventually(lambda: partition_count(broker, topic, 3), "three partitions")
        async with producer(broker) as sending:  # one that has not seen the topic before
            await sending.send_and_wait(topic, b"after", partition=2)
        assert sorted(await values(broker, topic, 3)) == [b"after", b"before"]
        for count in (2, 3):
            with pytest.raises(InvalidPartitionsError):
                await admin.create_partitions({topic: NewPartitions(count)})
        with pytest.raises(UnknownTopicOrPartitionError):
            await admin.create_partitions({unique("none"): NewPartitions(2)})

    async def test_a_deleted_topic_is_gone_and_may_be_made_again_empty(self, broker, topic):
        await broker.send(topic, None, b"old")
        admin = await broker.admin()
        answer = await admin.delete_topics([topic, "none-such"])
        assert codes(answer.topic_error_codes) == {topic: 0, "none-such": UNKNOWN_TOPIC}
        await eventually(lambda: is_gone(broker, topic), "the topic is gone")
        assert await create(broker, NewTopic(topic, 1, 1)) == {topic: 0}
        assert await values(broker, topic) == []
        assert await broker.send(topic, None, b"new") == 0

    async def test_looking_at_a_topic_that_is_not_there_makes_none(self, broker):
        name = unique("none")
        admin = await broker.admin()
        (described,) = await admin.describe_topics([name])
        assert described["error_code"] == UNKNOWN_TOPIC
        assert name not in await admin.list_topics()

    async def test_configs_of_a_topic_that_is_not_there_are_refused(self, broker):
        admin = await broker.admin()
        wanted = ConfigResource(ConfigResourceType.TOPIC, unique("none"))
        (answer,) = await admin.describe_configs([wanted])
        assert answer.resources[0][0] == UNKNOWN_TOPIC


async def create(broker: Broker, *topics: NewTopic, validate_only: bool = False) -> dict[str, int]:
    """The error code of each."""
    admin = await broker.admin()
    answer = await admin.create_topics(list(topics), validate_only=validate_only)
    return codes(answer.topic_errors)


def codes(answers: list[tuple]) -> dict[str, int]:
    return {name: code for name, code, *_ in answers}


async def configs_of(broker: Broker, topic: str) -> dict[str, tuple[str, int]]:
    """The value of each, and where it comes from."""
    admin = await broker.admin()
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {name: (value, source) for name, value, _, source, *_ in answer.resources[0][4]}


async def partition_count(broker: Broker, topic: str, count: int) -> bool:
    (described,) = await (await broker.admin()).describe_topics([topic])
    return len(described["partitions"]) == count


async def is_gone(broker: Broker, topic: str) -> bool:
    return topic not in await (await broker.admin()).list_topics()
