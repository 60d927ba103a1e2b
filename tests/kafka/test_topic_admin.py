"""Topics are created with what we need, and checked before they are trusted."""

import asyncio
import uuid
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stepwell.schemas.topics import DAY_MS, TopicFacts, Topics
from stepwell.streams.errors import BrokerUnavailable, ConfigurationError, TopicMismatch
from stepwell.streams.kafka.admin import ensure_topics, inspect_topics

pytestmark = pytest.mark.kafka


@pytest.fixture
def topics():
    name = f"t{uuid.uuid4().hex[:8]}"
    return Topics(prefix=name, app_id=f"{name}-worker", partitions=3)


@asynccontextmanager
async def admin_of(bootstrap):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def configs_of(bootstrap, name):
    async with admin_of(bootstrap) as admin:
        [response] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return {entry[0]: entry[1] for entry in response.resources[0][4]}


async def test_missing_topics_are_created_once(kafka_bootstrap, topics):
    created = await ensure_topics(kafka_bootstrap, topics.facts(), 1)
    assert created == [facts.name for facts in topics.facts()]
    assert await ensure_topics(kafka_bootstrap, topics.facts(), 1) == []


async def test_several_processes_may_start_at_once(kafka_bootstrap, topics):
    results = await asyncio.gather(
        *(ensure_topics(kafka_bootstrap, topics.facts(), 1) for _ in range(4))
    )
    created = [name for names in results for name in names]
    assert sorted(created) == sorted(facts.name for facts in topics.facts())


async def test_a_created_topic_is_as_needed(kafka_bootstrap, topics):
    await ensure_topics(kafka_bootstrap, topics.facts(), 1)
    events = await configs_of(kafka_bootstrap, topics.events)
    assert events["cleanup.policy"] == "delete"
    assert int(events["retention.ms"]) == 7 * DAY_MS
    assert int(events["max.message.bytes"]) == 2 * 1024 * 1024
    changelog = await configs_of(kafka_bootstrap, topics.history_changelog)
    assert changelog["cleanup.policy"] == "compact"
    assert int(changelog["delete.retention.ms"]) == 7 * DAY_MS


async def test_what_is_there_is_described(kafka_bootstrap, topics):
    before = await inspect_topics(kafka_bootstrap, topics.facts())
    assert [finding.state for finding in before] == [None] * len(topics.facts())
    assert before[0].problem == f"topic {topics.events} does not exist"
    await ensure_topics(kafka_bootstrap, topics.facts(), 1)
    found = {it.facts.name: it for it in await inspect_topics(kafka_bootstrap, topics.facts())}
    events, changelog = found[topics.events], found[topics.history_changelog]
    assert (events.problem, changelog.problem) == ("", "")
    assert events.state.partitions == 3
    assert events.state.retention_ms == 7 * DAY_MS
    assert changelog.state.cleanup_policy == "compact"
    assert changelog.state.retention_ms is None


async def test_looking_creates_nothing(kafka_bootstrap, topics):
    await inspect_topics(kafka_bootstrap, topics.facts())
    async with admin_of(kafka_bootstrap) as admin:
        assert topics.events not in await admin.list_topics()


async def test_another_partition_count_is_refused(kafka_bootstrap, topics):
    await ensure_topics(kafka_bootstrap, topics.facts(), 1)
    other = Topics(prefix=topics.prefix, app_id=topics.app_id, partitions=4)
    with pytest.raises(TopicMismatch) as caught:
        await ensure_topics(kafka_bootstrap, other.facts(), 1)
    message = str(caught.value)
    assert f"topic {topics.events} has 3 partitions, expected 4" in message
    assert "kafka.partitions" in message
    assert topics.journal in message


async def test_another_cleanup_policy_is_refused(kafka_bootstrap, topics):
    async with admin_of(kafka_bootstrap) as admin:
        await admin.create_topics(
            [NewTopic(topics.journal, 3, 1, topic_configs={"cleanup.policy": "compact"})]
        )
    with pytest.raises(TopicMismatch, match=r"cleanup\.policy=compact, expected delete"):
        await ensure_topics(kafka_bootstrap, topics.facts(), 1)


async def test_more_replicas_than_brokers_are_refused_with_the_setting(kafka_bootstrap, topics):
    with pytest.raises(ConfigurationError, match=r"kafka\.replication_factor"):
        await ensure_topics(kafka_bootstrap, topics.facts(), 3)


async def test_a_name_that_kafka_refuses_is_named(kafka_bootstrap):
    with pytest.raises(ConfigurationError, match="a b"):
        await ensure_topics(kafka_bootstrap, [TopicFacts("a b", 1, "delete", None)], 1)


async def test_without_a_broker_the_address_is_named(topics):
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
        await ensure_topics("127.0.0.1:1", topics.facts(), 1)
