"""librdkafka, by way of confluent-kafka: the client behind most languages that are not Java."""

import json
import time
from collections import Counter
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from tests.contract.log_contract_clients import KEPT
from tests.kafka.broker import unique

WAIT_S = 20.0
PARTITIONS = 6


class Librdkafka:
    """Clients of one broker, closed at the end."""

    def __init__(self, bootstrap: str) -> None:
        self.common = {"bootstrap.servers": bootstrap, "log_level": 0}
        self.admin = AdminClient(self.common)
        self.consumers: list[Consumer] = []

    def topic(self, partitions: int = 1, **configs: str) -> str:
        name = unique("rd")
        dotted = {key.replace("_", "."): value for key, value in configs.items()}
        done(self.admin.create_topics([NewTopic(name, partitions, 1, config=KEPT | dotted)]))
        return name

    def producer(self, **settings: Any) -> Producer:
        return Producer(self.common | settings)

    def consumer(self, group: str, **settings: Any) -> Consumer:
        own = {
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "heartbeat.interval.ms": 200,
            "session.timeout.ms": 6_000,
        }
        consumer = Consumer(self.common | own | settings)
        self.consumers.append(consumer)
        return consumer

    def values(self, topic: str, count: int, **settings: Any) -> list[bytes | None]:
        """The first values of partition 0, and that there are no more of them."""
        settings = {"enable.partition.eof": True} | settings
        consumer = self.consumer(unique("group"), **settings)
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list[bytes | None] = []
        while True:
            message = consumer.poll(WAIT_S)
            assert message is not None, f"{len(found)} of {count}"
            if message.error():
                assert message.error().code() == KafkaError._PARTITION_EOF
                assert len(found) == count
                return found
            found.append(message.value())

    def close(self) -> None:
        for consumer in self.consumers:
            consumer.close()


class LibrdkafkaContract:
    """What Go, Rust, C# and all the others will see."""

    @pytest.fixture
    def rd(self, bootstrap: str):
        clients = Librdkafka(bootstrap)
        yield clients
        clients.close()

    def test_topics_partitions_and_configs(self, rd):
        topic = rd.topic(2, retention_ms="5000")
        done(rd.admin.create_partitions([NewPartitions(topic, 4)]))
        until_partitions(rd.admin, topic, [0, 1, 2, 3])
        wanted = ConfigResource(
            ResourceType.TOPIC,
            topic,
            incremental_configs=[
                ConfigEntry("cleanup.policy", "compact", incremental_operation=SET),
                ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE),
            ],
        )
        done(rd.admin.incremental_alter_configs([wanted]))
        configs = done(rd.admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]))[0]
        assert configs["cleanup.policy"].value == "compact"
        assert (configs["retention.ms"].value, configs["retention.ms"].is_default) == (
            "604800000",
            True,
        )
        done(rd.admin.delete_topics([topic]))
        assert refused(rd.admin.delete_topics([topic])) == KafkaError.UNKNOWN_TOPIC_OR_PART

    @pytest.mark.parametrize(
        "entry", [("cleanup.policy", "sometimes"), ("no.such.config", "1"), ("retention.ms", "x")]
    )
    def test_a_wrong_config_is_refused_and_changes_nothing(self, rd, entry):
        topic = rd.topic()
        entries = [
            ConfigEntry("segment.ms", "1234", incremental_operation=SET),
            ConfigEntry(*entry, incremental_operation=SET),
        ]
        wanted = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        refusal = refused(rd.admin.incremental_alter_configs([wanted]))
        assert refusal == KafkaError.INVALID_CONFIG
        configs = done(rd.admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]))[0]
        assert configs["segment.ms"].value == "604800000"

    @pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
    @pytest.mark.parametrize("idempotent", [False, True])
    def test_every_codec_goes_through_and_is_used(self, rd, codec, idempotent):
        topic, told = rd.topic(), list[dict[str, Any]]()
        sending = rd.producer(
            **{
                "compression.type": codec,
                "enable.idempotence": idempotent,
                # Without idempotence a retry of one of several requests in flight is overtaken.
                "max.in.flight.requests.per.connection": 5 if idempotent else 1,
                "linger.ms": 50,
                "statistics.interval.ms": 100,
                "stats_cb": lambda text: told.append(json.loads(text)),
            }
        )
        wanted = [b"%d" % number + b" and all the same" * 1_000 for number in range(100)]
        for value in wanted:
            sending.produce(topic, value, on_delivery=accepted)
        assert sending.flush(WAIT_S) == 0
        assert rd.values(topic, 100) == wanted
        told.clear()
        while not told:
            sending.poll(0.1)
        sent = sum(broker["txbytes"] for broker in told[-1]["brokers"].values())
        assert (sent < 200_000) == (codec != "none"), "the client did not compress"

    def test_a_record_comes_back_as_it_went_in(self, rd):
        topic, got = rd.topic(), list[Message]()
        sending = rd.producer(acks="all")
        headers = [("a", b"1"), ("a", None), ("b", b"\x00\xff")]
        sending.produce(topic, None, b"key", timestamp=1_234, headers=headers)
        sending.produce(topic, b"", None, on_delivery=lambda _, message: got.append(message))
        assert sending.flush(WAIT_S) == 0
        assert got[0].offset() == 1
        consumer = rd.consumer(unique("group"))
        consumer.assign([TopicPartition(topic, 0, 0)])
        first, second = polled(consumer, 2)
        assert (first.key(), first.value(), first.headers()) == (b"key", None, headers)
        assert first.timestamp()[1] == 1_234
        assert (second.key(), second.value()) == (None, b"")

    def test_a_record_that_is_too_large_is_refused(self, rd):
        topic, errors = rd.topic(max_message_bytes="1000"), list[KafkaError]()
        sending = rd.producer()
        sending.produce(topic, b"x" * 2_000, on_delivery=lambda error, _: errors.append(error))
        assert sending.flush(WAIT_S) == 0
        assert [error.code() for error in errors] == [KafkaError.MSG_SIZE_TOO_LARGE]

    def test_a_topic_that_is_not_there_is_an_error(self, rd):
        consumer = rd.consumer(unique("group"))
        consumer.subscribe([unique("none")])
        message = consumer.poll(WAIT_S)
        assert message.error().code() == KafkaError.UNKNOWN_TOPIC_OR_PART

    def test_members_join_and_leave_a_cooperative_group_without_stopping_others(self, rd):
        topic, group = rd.topic(PARTITIONS), unique("group")
        moves: Counter[str] = Counter()
        members = []
        for size in (1, 2, 3):
            members.append(cooperative(rd, group, topic, moves))
            until_shares(members, [PARTITIONS // size] * size)
        assert moves == {"given": 6 + 3 + 2, "taken": 3 + 2}
        described = done(rd.admin.describe_consumer_groups([group]))[0]
        assert described.state.name == "STABLE"
        assert described.partition_assignor == "cooperative-sticky"
        assert len(described.members) == 3
        members.pop().close()
        until_shares(members, [3, 3])
        assert moves["given"] == 6 + 3 + 2 + 2
        check_each_partition_is_read_once(rd, topic, members)

    def test_a_static_member_is_fenced_by_its_successor(self, rd):
        topic, group = rd.topic(), unique("group")
        settings = {"group.instance.id": "the-one", "partition.assignment.strategy": "range"}
        old, new = rd.consumer(group, **settings), rd.consumer(group, **settings)
        old.subscribe([topic])
        until_shares([old], [1])
        new.subscribe([topic])
        until_shares([new], [1])
        message = until_message(old)
        assert message.error().code() == KafkaError._FATAL
        assert "instance" in message.error().str().lower()

    def test_offsets_and_groups_are_listed_changed_and_deleted(self, rd):
        topic, group = rd.topic(), unique("group")
        fill(rd, topic, 10)
        consumer = rd.consumer(group)
        consumer.subscribe([topic])
        polled(consumer, 4)
        consumer.commit(asynchronous=False)
        assert refused(rd.admin.delete_consumer_groups([group])) == KafkaError.NON_EMPTY_GROUP
        consumer.close()
        rd.consumers.remove(consumer)
        assert group_offset(rd, group, topic) == 4
        moved = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 2)])
        done(rd.admin.alter_consumer_group_offsets([moved]))
        assert group_offset(rd, group, topic) == 2
        assert group in {found.group_id for found in rd.admin.list_consumer_groups().result().valid}
        done(rd.admin.delete_consumer_groups([group]))
        assert refused(rd.admin.delete_consumer_groups([group])) == KafkaError.GROUP_ID_NOT_FOUND
        assert group_offset(rd, group, topic) < 0

    def test_offsets_are_listed_and_records_deleted(self, rd):
        topic = rd.topic()
        fill(rd, topic, 10)
        tp = TopicPartition(topic, 0)
        done(rd.admin.delete_records([TopicPartition(topic, 0, 3)]))
        specs = {
            "earliest": OffsetSpec.earliest(),
            "latest": OffsetSpec.latest(),
            "newest": OffsetSpec.max_timestamp(),
            "by time": OffsetSpec.for_timestamp(1_005),
        }
        found = {n: done(rd.admin.list_offsets({tp: spec}))[0].offset for n, spec in specs.items()}
        assert found == {"earliest": 3, "latest": 10, "newest": 9, "by time": 5}
        consumer = rd.consumer(unique("group"))
        assert consumer.get_watermark_offsets(tp, timeout=WAIT_S) == (3, 10)

    def test_a_transaction_with_offsets_is_all_or_nothing(self, rd):
        source, sink, group = rd.topic(), rd.topic(), unique("group")
        fill(rd, source, 6)
        consumer = rd.consumer(group)
        consumer.subscribe([source])
        sending = rd.producer(**{"transactional.id": unique("t")})
        sending.init_transactions(WAIT_S)
        for finish in (sending.abort_transaction, sending.commit_transaction):
            sending.begin_transaction()
            for message in polled(consumer, 3):
                sending.produce(sink, finish.__name__.encode() + message.value())
            assert sending.flush(WAIT_S) == 0  # an abort drops what was not sent yet
            places = consumer.position(consumer.assignment())
            sending.send_offsets_to_transaction(places, consumer.consumer_group_metadata())
            finish(WAIT_S)
        kept = [b"commit_transaction%d" % number for number in (3, 4, 5)]
        committed = {"isolation.level": "read_committed"}
        assert rd.values(sink, 3, **committed) == kept
        assert len(rd.values(sink, 6, **{"isolation.level": "read_uncommitted"})) == 6
        assert group_offset(rd, group, source) == 6
        specs = {TopicPartition(sink, 0): OffsetSpec.latest()}
        level = IsolationLevel.READ_COMMITTED
        assert done(rd.admin.list_offsets(specs, isolation_level=level))[0].offset == 8

    def test_a_transactional_producer_is_fenced_by_its_successor(self, rd):
        topic, name = rd.topic(), unique("t")
        old, new = (rd.producer(**{"transactional.id": name}) for _ in range(2))
        old.init_transactions(WAIT_S)
        old.begin_transaction()
        old.produce(topic, b"old")
        old.flush(WAIT_S)
        new.init_transactions(WAIT_S)
        new.begin_transaction()
        new.produce(topic, b"new")
        new.commit_transaction(WAIT_S)
        with pytest.raises(KafkaException) as caught:
            old.commit_transaction(WAIT_S)
        assert caught.value.args[0].fatal()
        assert rd.values(topic, 1, **{"isolation.level": "read_committed"}) == [b"new"]


SET = AlterConfigOpType.SET


def done(futures: dict[Any, Future]) -> list[Any]:
    """The results, in order; raises what went wrong."""
    return [future.result(WAIT_S) for future in futures.values()]


def refused(futures: dict[Any, Future]) -> int:
    """The code with which it was refused."""
    with pytest.raises(KafkaException) as caught:
        done(futures)
    return caught.value.args[0].code()


def accepted(error: KafkaError | None, _: Message) -> None:
    assert error is None


def fill(rd: Librdkafka, topic: str, count: int) -> None:
    sending = rd.producer()
    for number in range(count):
        sending.produce(topic, b"%d" % number, timestamp=1_000 + number)
    assert sending.flush(WAIT_S) == 0


def polled(consumer: Consumer, count: int) -> list[Message]:
    """The next records."""
    found = [until_message(consumer) for _ in range(count)]
    assert [message.error() for message in found] == [None] * count
    return found


def until_partitions(admin: AdminClient, topic: str, wanted: list[int]) -> None:
    """A broker hears of new partitions after they were made."""
    deadline = time.monotonic() + WAIT_S
    while sorted(admin.list_topics(topic, timeout=WAIT_S).topics[topic].partitions) != wanted:
        assert time.monotonic() < deadline


def until_message(consumer: Consumer) -> Message:
    message = consumer.poll(WAIT_S)
    assert message is not None
    return message


def cooperative(rd: Librdkafka, group: str, topic: str, moves: Counter[str]) -> Consumer:
    """A new member; counts what it is given and what is taken from it."""
    consumer = rd.consumer(group, **{"partition.assignment.strategy": "cooperative-sticky"})

    def given(_: Consumer, partitions: list[TopicPartition]) -> None:
        moves["given"] += len(partitions)

    def taken(_: Consumer, partitions: list[TopicPartition]) -> None:
        moves["taken"] += len(partitions)

    consumer.subscribe([topic], on_assign=given, on_revoke=taken)
    return consumer


def until_shares(members: list[Consumer], wanted: list[int]) -> None:
    """Poll all in turn until each has its share."""
    for _ in range(int(WAIT_S / 0.05 / len(members))):
        for member in members:
            message = member.poll(0.05)
            assert message is None or not message.error()
        if [len(member.assignment()) for member in members] == wanted:
            return
    raise AssertionError(f"{[len(member.assignment()) for member in members]}, not {wanted}")


def check_each_partition_is_read_once(rd: Librdkafka, topic: str, members: list[Consumer]) -> None:
    sending = rd.producer()
    for partition in range(PARTITIONS):
        sending.produce(topic, b"x", partition=partition)
    assert sending.flush(WAIT_S) == 0
    got = [m.partition() for one in members for m in polled(one, len(one.assignment()))]
    assert sorted(got) == list(range(PARTITIONS))


def group_offset(rd: Librdkafka, group: str, topic: str) -> int:
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
    return done(rd.admin.list_consumer_group_offsets([wanted]))[0].topic_partitions[0].offset
