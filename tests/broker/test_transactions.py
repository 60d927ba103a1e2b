"""Transactions: all of it or nothing, also when the broker dies in between."""

import pytest

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.config import BrokerConfig
from stepwell.streams.broker.coordination.groups import Committed
from stepwell.streams.broker.coordination.transactions import Identity
from stepwell.streams.broker.errors import Refused, StorageFailed
from stepwell.streams.broker.node import Node
from tests.broker.making import NOW_MS, offsets, sent

NOBODY = Identity(-1, -1)
TIMEOUT_MS = 60_000
HERE = ("t", 0)


class Broker:
    """A node that can be killed, and a producer's view of it."""

    def __init__(self, folder, world):
        self.config, self.world = BrokerConfig(folder), world
        self.restart()
        self.node.topics.create("t", 2, {})

    def restart(self):
        """As after a kill: nothing is closed or synced."""
        self.node = Node(self.config, self.world.environment())
        self.transactions = self.node.transactions
        self.groups = self.node.groups

    @property
    def log(self):
        return self.node.topics.log_of(*HERE)

    def begin(self, name="tx", known=NOBODY):
        return self.transactions.init_producer(name, TIMEOUT_MS, known, self.world.ms)

    def write(self, who, sequence=0, *partitions):
        for partition in partitions or (HERE,):
            self.transactions.add_partitions("tx", who, [partition], self.world.ms)
            self.transactions.check_batch("tx", who, partition)
            data = sent(
                b"v",
                producer_id=who.producer_id,
                epoch=who.epoch,
                sequence=sequence,
                transactional=True,
            )
            self.node.topics.log_of(*partition).append(data, self.world.ms)

    def prepare(self, who, *, commit):
        return self.transactions.prepare_end("tx", who, self.world.ms, commit=commit)

    def end(self, who, *, commit):
        ending = self.prepare(who, commit=commit)
        if ending is not None:
            self.transactions.finish(ending)


@pytest.fixture
def broker(tmp_path, world):
    return Broker(tmp_path, world)


def refusal(action, *args, **kwargs):
    with pytest.raises(Refused) as refused:
        action(*args, **kwargs)
    return refused.value.code


def test_an_open_transaction_is_not_seen_by_those_who_read_committed(broker):
    broker.log.append(sent(b"before"), NOW_MS)
    who = broker.begin()
    broker.write(who)
    broker.log.append(sent(b"after"), NOW_MS)
    assert offsets(broker.log, committed=True) == [0]
    assert offsets(broker.log) == [0, 1, 2]
    broker.end(who, commit=True)
    assert offsets(broker.log, committed=True) == [0, 1, 2]


def test_an_aborted_transaction_is_named_to_those_who_read_it(broker):
    who = broker.begin()
    broker.write(who)
    broker.end(who, commit=False)
    data = broker.log.read(0, 1000, committed=True)
    assert [row[:2] for row in broker.log.aborted(0, data)] == [(who.producer_id, 0)]
    assert broker.log.stable_offset == broker.log.end_offset == 2


def test_a_transaction_survives_a_restart_of_the_broker(broker):
    who = broker.begin()
    broker.write(who)
    broker.restart()
    broker.write(who, 1)
    broker.end(who, commit=True)
    assert offsets(broker.log, committed=True) == [0, 1]


@pytest.mark.parametrize("commit", [True, False])
def test_a_decided_end_is_carried_out_after_a_restart(broker, commit):
    who = broker.begin()
    broker.write(who, 0, ("t", 0), ("t", 1))
    broker.transactions.add_offsets("tx", who, "g", NOW_MS)
    broker.transactions.commit_offsets("tx", who, "g", {HERE: Committed(7, 0, "")})
    broker.prepare(who, commit=commit)
    broker.restart()
    broker.transactions.expire(NOW_MS)
    for partition in (0, 1):
        log = broker.node.topics.log_of("t", partition)
        assert log.stable_offset == log.end_offset == 2
        assert bool(log.producers.aborted(0, 9)) is not commit
    assert broker.groups.offsets("g") == ({HERE: Committed(7, 0, "")} if commit else {})


def test_offsets_count_only_when_the_transaction_does(broker):
    who = broker.begin()
    broker.transactions.add_offsets("tx", who, "g", NOW_MS)
    broker.transactions.commit_offsets("tx", who, "g", {HERE: Committed(7, 0, "")})
    assert broker.groups.offsets("g") == {}
    assert broker.transactions.is_unstable("g", HERE)
    broker.end(who, commit=True)
    assert broker.groups.offsets("g") == {HERE: Committed(7, 0, "")}
    assert not broker.transactions.is_unstable("g", HERE)
    broker.restart()
    assert broker.groups.offsets("g") == {HERE: Committed(7, 0, "")}


def test_a_second_producer_of_a_name_fences_the_first_and_ends_its_transaction(broker):
    first = broker.begin()
    broker.write(first)
    second = broker.begin()
    assert second.producer_id == first.producer_id
    assert second.epoch > first.epoch
    assert refusal(broker.write, first, 1) is ErrorCode.PRODUCER_FENCED
    assert broker.log.producers.aborted(0, 9) != []
    late = sent(b"v", producer_id=first.producer_id, epoch=0, sequence=1, transactional=True)
    assert refusal(broker.log.append, late, NOW_MS) is ErrorCode.INVALID_PRODUCER_EPOCH
    broker.write(second)
    broker.end(second, commit=True)
    assert broker.log.stable_offset == broker.log.end_offset


def test_a_transaction_that_takes_too_long_is_aborted(broker, world):
    who = broker.begin()
    broker.write(who)
    world.ms += TIMEOUT_MS - 1
    broker.transactions.expire(world.ms)
    assert broker.log.stable_offset == 0
    world.ms += 1
    broker.transactions.expire(world.ms)
    assert broker.log.stable_offset == broker.log.end_offset == 2
    assert refusal(broker.end, who, commit=True) is ErrorCode.PRODUCER_FENCED


def test_an_end_may_be_said_twice_but_not_otherwise(broker):
    who = broker.begin()
    broker.write(who)
    broker.end(who, commit=True)
    broker.end(who, commit=True)
    assert refusal(broker.end, who, commit=False) is ErrorCode.INVALID_TXN_STATE


def test_there_is_nothing_to_end_before_there_is_a_transaction(broker):
    assert refusal(broker.end, broker.begin(), commit=True) is ErrorCode.INVALID_TXN_STATE


def test_a_partition_outside_the_transaction_is_not_written(broker):
    who = broker.begin()
    code = refusal(broker.transactions.check_batch, "tx", who, HERE)
    assert code is ErrorCode.INVALID_TXN_STATE


def test_a_stranger_is_refused(broker):
    broker.begin()
    stranger = Identity(4711, 0)
    code = refusal(broker.transactions.add_partitions, "tx", stranger, [HERE], NOW_MS)
    assert code is ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert refusal(broker.begin, "tx", stranger) is ErrorCode.PRODUCER_FENCED


def test_a_producer_may_ask_for_its_next_epoch(broker):
    who = broker.begin()
    assert broker.begin(known=who) == Identity(who.producer_id, who.epoch + 1)
    assert broker.begin(known=who) == Identity(who.producer_id, who.epoch + 2)


def test_a_name_whose_epochs_are_used_up_gets_another_id(broker):
    first = who = broker.begin()
    broker.transactions._transactions["tx"].epoch = 32_766
    who = broker.begin()
    assert who.producer_id != first.producer_id
    assert who.epoch == 0


def test_no_producer_id_is_given_twice_not_even_after_a_restart(broker):
    given = {broker.begin(None) for _ in range(5)}
    broker.restart()
    assert given.isdisjoint({broker.begin(None) for _ in range(5)})


def test_time_limits_have_a_limit(broker):
    code = refusal(broker.transactions.init_producer, "tx", 900_001, NOBODY, NOW_MS)
    assert code is ErrorCode.INVALID_TRANSACTION_TIMEOUT


def test_a_name_that_is_not_used_is_forgotten(broker, world):
    broker.begin()
    world.ms += 8 * 24 * 60 * 60 * 1000
    broker.transactions.expire(world.ms)
    broker.restart()
    assert broker.transactions._transactions == {}


def test_markers_for_a_deleted_topic_are_not_missed(broker):
    who = broker.begin()
    broker.write(who)
    broker.node.topics.delete("t")
    broker.end(who, commit=True)


def test_an_end_that_the_disk_does_not_take_is_carried_out_later(broker, small_files):
    who = broker.begin()
    broker.write(who)
    ending = broker.prepare(who, commit=True)
    with small_files(broker.log.active.size + 10), pytest.raises(StorageFailed):
        broker.transactions.finish(ending)
    assert refusal(broker.write, who, 1) is ErrorCode.CONCURRENT_TRANSACTIONS
    broker.transactions.expire(NOW_MS)
    assert offsets(broker.log, committed=True) == [0]
