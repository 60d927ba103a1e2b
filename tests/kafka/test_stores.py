"""What both stores do, and what the one on disk does besides."""

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepwell.streams.kafka.rocksdb import AGE_MAX_S, RocksStore
from stepwell.streams.kafka.stores import MemoryStore, RowStore


@pytest.fixture(params=["memory", "rocksdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path):
    store: RowStore = MemoryStore() if request.param == "memory" else RocksStore(tmp_path)
    yield store
    store.close()


def test_a_row_is_read_back_from_its_partition_only(store):
    store.put(3, b"key", b"value")
    assert store.get(3, b"key") == b"value"
    assert store.get(4, b"key") is None


def test_a_deleted_row_is_gone_and_may_come_back(store):
    store.put(0, b"key", b"1")
    store.put(0, b"key", None)
    assert store.get(0, b"key") is None
    assert list(store.partition_rows(0)) == []
    store.put(0, b"key", b"")
    assert store.get(0, b"key") == b""


def test_deleting_what_is_not_there_does_nothing(store):
    store.put(0, b"key", None)
    store.put(0, b"key\x00rest", None)
    assert list(store.partition_rows(0)) == []


def test_the_history_of_one_instance_is_scanned_in_order(store):
    for sequence in (2, 0, 11, 1):
        store.put(0, b"flow/one\x00%016x" % sequence, b"%d" % sequence)
        store.put(0, b"flow/oneself\x00%016x" % sequence, b"other")
    store.put(0, b"flow/one", b"header")
    found = list(store.scan(0, b"flow/one\x00"))
    assert [value for _, value in found] == [b"0", b"1", b"2", b"11"]
    assert found[0][0] == b"flow/one\x000000000000000000"


def test_any_prefix_can_be_scanned(store):
    for key in (b"b", b"ab", b"a", b"a\x001", b"ac\x002", b"c"):
        store.put(0, key, key)
    assert [key for key, _ in store.scan(0, b"a")] == [b"a", b"a\x001", b"ab", b"ac\x002"]


def test_rows_may_change_while_they_are_scanned(store):
    for sequence in range(5):
        store.put(0, b"one\x00%d" % sequence, b"old")
    for key, _ in store.scan(0, b"one\x00"):
        store.put(0, key, None)
        store.put(0, b"one\x00new", b"new")
    assert list(store.scan(0, b"one\x00")) == [(b"one\x00new", b"new")]


def test_a_dropped_partition_leaves_and_the_others_stay(store):
    store.apply(0, [(b"key", b"0")], 10)
    store.apply(1, [(b"key", b"1")], 20)
    store.drop(0)
    assert store.partitions() == {1}
    assert store.get(1, b"key") == b"1"


def test_records_read_back_are_applied_in_order(store):
    store.apply(0, [(b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"b", None)], 7)
    assert list(store.partition_rows(0)) == [(b"a", b"2")]
    assert store.applied_offset(0) == 7


def test_the_applied_offset_follows_what_is_acknowledged(store):
    assert store.applied_offset(0) is None
    store.put(0, b"a", b"1")
    store.put(0, b"b", b"1")
    store.acknowledged(0, 0, 2)
    assert store.applied_offset(0) == 1


def test_records_of_somebody_else_in_between_stop_the_applied_offset(store):
    store.apply(0, (), 4)
    store.put(0, b"a", b"1")
    store.acknowledged(0, 6, 1)
    store.put(0, b"b", b"1")
    store.acknowledged(0, 7, 1)
    assert store.applied_offset(0) == 4
    assert store.get(0, b"a") == b"1"


FRESH = itertools.count()
CHANGES = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"a\x001", b"a\x002", b"ab", b"b\x001"]),
        st.none() | st.binary(max_size=2),
    ),
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(changes=CHANGES, batch=st.integers(1, 5))
def test_it_is_a_dictionary_whenever_the_changelog_catches_up(store, changes, batch):
    partition = next(FRESH)
    unacknowledged = 0
    model: dict[bytes, bytes] = {}
    for key, value in changes:
        store.put(partition, key, value)
        model.pop(key, None)
        if value is not None:
            model[key] = value
        unacknowledged += 1
        if unacknowledged == batch:
            store.acknowledged(partition, 0, batch)
            unacknowledged = 0
        assert dict(store.partition_rows(partition)) == model
        assert store.get(partition, key) == value


class TestOnDisk:
    """A crash is a store that is opened anew; RocksDB's lock needs the old one closed first."""

    def reopened(self, store: RocksStore, folder: Path, **kwargs) -> RocksStore:
        store.close()
        return RocksStore(folder, **kwargs)

    def test_rows_survive_with_the_offset_they_belong_to(self, tmp_path):
        store = RocksStore(tmp_path)
        store.put(0, b"a", b"1")
        store.put(0, b"b", b"1")
        store.acknowledged(0, 0, 2)
        store = self.reopened(store, tmp_path)
        assert dict(store.partition_rows(0)) == {b"a": b"1", b"b": b"1"}
        assert store.applied_offset(0) == 1

    def test_a_row_that_the_changelog_does_not_have_does_not_survive(self, tmp_path):
        store = RocksStore(tmp_path)
        store.put(0, b"a", b"1")
        store.acknowledged(0, 0, 1)
        store.put(0, b"a", b"2")
        store.put(0, b"b", b"2")
        assert store.get(0, b"a") == b"2"
        store = self.reopened(store, tmp_path)
        assert dict(store.partition_rows(0)) == {b"a": b"1"}
        assert store.applied_offset(0) == 0

    def test_acknowledgements_of_earlier_changes_never_bring_them_back(self, tmp_path):
        store, one, two = RocksStore(tmp_path), b"one", b"two"
        for value in (one, two, one):
            store.put(0, b"key", value)
        for offset in range(3):
            assert store.get(0, b"key") == one
            store.acknowledged(0, offset, 1)
        assert store.get(0, b"key") == one
        store.close()

    def test_a_copy_that_may_have_missed_deletions_is_not_used(self, tmp_path):
        store = RocksStore(tmp_path, lambda: 1000.0)
        store.apply(0, [(b"a", b"1")], 5)
        store = self.reopened(store, tmp_path, now_s=lambda: 1000.0 + AGE_MAX_S)
        assert store.applied_offset(0) == 5
        store = self.reopened(store, tmp_path, now_s=lambda: 1001.0 + AGE_MAX_S)
        assert store.applied_offset(0) is None
        assert list(store.partition_rows(0)) == []
        store.close()
