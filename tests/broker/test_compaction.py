"""Of each key the newest record stays, exactly as it was; nothing else changes."""

import shutil

import pytest

from stepwell.streams.broker import compacting
from stepwell.streams.broker.config import BrokerConfig
from stepwell.streams.broker.storage.compaction import Plan, compact
from stepwell.streams.broker.topic_configs import TopicRules
from tests.broker.making import CODECS, DAY_MS, NOW_MS, contents, make_log, sent, sync

RULES = TopicRules.of({"cleanup.policy": "compact"}, BrokerConfig(None))


def filled(folder, codec=0, rounds=20, last=()):
    log = make_log(folder, segment_bytes=700, needs_keys=True)
    for number in range(rounds):
        log.append(
            sent(*((b"k%d" % key, b"%d" % number * 9) for key in range(5)), codec=codec), NOW_MS
        )
    for record in last:
        log.append(sent(record), NOW_MS)
    log.roll()
    sync(log)
    return log


def run(log, now_ms=NOW_MS):
    """Compact here what the broker has compacted by another process."""
    segments = compacting.due(log, RULES, now_ms)
    output = log.folder / f"{compacting.FOLDER_PREFIX}{now_ms}"
    by_base = {segment.base_offset: segment for segment in segments}
    plan = Plan(
        folder=str(log.folder),
        output=str(output),
        bases=list(by_base),
        aborted=[list(row) for row in log.producers.aborted(0, log.end_offset)],
        now_ms=now_ms,
        delete_retention_ms=RULES.delete_retention_ms,
    )
    done = []
    compact(plan, done.append)
    for found in done:
        compacting._put_in_place(log, by_base[found.base], found, output)
    shutil.rmtree(output)
    sync(log)
    return len(done)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_the_newest_of_each_key_stays_at_its_offset(tmp_path, codec):
    log = filled(tmp_path, codec)
    newest = {key: (offset, raw) for offset, key, raw in contents(log)}
    size = log.size
    assert run(log) > 1
    after = contents(log)
    assert {key: (offset, raw) for offset, key, raw in after} == newest
    assert len(after) == 5
    assert log.size < size / 3
    assert (log.start_offset, log.end_offset) == (0, 100)


def test_it_is_the_same_after_a_restart(tmp_path):
    log = filled(tmp_path)
    run(log)
    again = make_log(tmp_path, segment_bytes=700, needs_keys=True)
    assert contents(again) == contents(log)
    assert (again.start_offset, again.end_offset) == (0, 100)
    assert compacting.due(again, RULES, NOW_MS) == []


def test_a_batch_that_is_kept_whole_is_kept_to_the_byte(tmp_path):
    log = make_log(tmp_path, needs_keys=True)
    log.append(sent((b"old", b"1")), NOW_MS)
    log.append(sent((b"a", b"1"), (b"b", b"2"), codec=1), NOW_MS)
    log.append(sent((b"old", b"2")), NOW_MS)
    before = log.read(1, 10_000, committed=False)
    log.roll()
    sync(log)
    run(log)
    assert log.read(0, 10_000, committed=False) == before


def test_a_tombstone_removes_its_key_and_goes_later_itself(tmp_path):
    log = filled(tmp_path, last=[(b"k3", None)])
    run(log)
    assert [key for _, key, _ in contents(log)].count(b"k3") == 1
    assert compacting.due(log, RULES, NOW_MS + DAY_MS - 1) == []
    run(log, NOW_MS + DAY_MS)
    assert [key for _, key, _ in contents(log)] == [b"k0", b"k1", b"k2", b"k4"]


def test_records_of_aborted_transactions_go_and_do_not_count(tmp_path):
    log = filled(tmp_path)
    for sequence, commit in ((0, False), (1, True)):
        data = sent((b"k0", b"t"), producer_id=5, epoch=0, sequence=sequence, transactional=True)
        log.append(data, NOW_MS)
        log.append_marker(5, 0, commit=commit, now_ms=NOW_MS)
    log.append(sent((b"k1", b"t"), producer_id=6, epoch=0, sequence=0, transactional=True), NOW_MS)
    log.append_marker(6, 0, commit=False, now_ms=NOW_MS)
    log.roll()
    sync(log)
    run(log)
    assert [(key, offset) for offset, key, _ in contents(log)] == [
        (b"k1", 96),
        (b"k2", 97),
        (b"k3", 98),
        (b"k4", 99),
        (b"k0", 102),
    ]
    assert log.end_offset == 106


def test_nothing_is_compacted_beyond_an_open_transaction(tmp_path):
    log = make_log(tmp_path, segment_bytes=200, needs_keys=True)
    log.append(sent((b"k", b"t"), producer_id=5, epoch=0, sequence=0, transactional=True), NOW_MS)
    for _ in range(9):
        log.append(sent((b"k", b"v")), NOW_MS)
    sync(log)
    assert compacting.due(log, RULES, NOW_MS) == []


def test_it_is_worth_it_only_when_enough_is_new(tmp_path):
    log = filled(tmp_path)
    run(log)
    settled = log.size
    log.append(sent((b"k0", b"new")), NOW_MS)
    log.roll()
    sync(log)
    assert compacting.due(log, RULES, NOW_MS) == []
    for number in range(40):
        log.append(sent((b"k%d" % (number % 5), b"new" * 10)), NOW_MS)
    log.roll()
    sync(log)
    assert log.size > 2 * settled
    assert compacting.due(log, RULES, NOW_MS) != []


@pytest.mark.slow
async def test_the_broker_has_it_done_by_a_process(tmp_path):
    log = filled(tmp_path)
    await compacting.compact(log, compacting.due(log, RULES, NOW_MS), RULES, NOW_MS)
    assert len(contents(log)) == 5
    assert list(tmp_path.glob(f"{compacting.FOLDER_PREFIX}*")) == []


def test_what_a_crash_left_of_a_compaction_is_removed(tmp_path):
    (tmp_path / f"{compacting.FOLDER_PREFIX}1").mkdir()
    compacting.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []
