"""What is too old, or too much, is given up segment by segment."""

from stepwell.streams.broker.config import BrokerConfig
from stepwell.streams.broker.topic_configs import TopicRules, check_configs
from stepwell.streams.broker.topics import Topic
from stepwell.streams.broker.upkeep import expired_until
from tests.broker.making import NOW_MS, make_log, offsets, sent, sync


def filled(folder, segment_bytes=300):
    log = make_log(folder, segment_bytes=segment_bytes)
    for number in range(30):
        log.append(sent((None, b"%d" % number * 20, NOW_MS + 1000 * number)), NOW_MS)
    sync(log)
    return log


def topic(folder, **configs):
    given = check_configs({name.replace("_", "."): value for name, value in configs.items()})
    return Topic("t", "id", given, TopicRules.of(given, BrokerConfig(folder)))


def test_old_segments_go_and_the_rest_stays(tmp_path):
    log = filled(tmp_path)
    until = expired_until(log, topic(tmp_path, retention_ms="10000"), NOW_MS + 25_000)
    log.delete_until(until)
    assert 10 <= log.start_offset <= 15
    assert offsets(log, log.start_offset) == list(range(log.start_offset, 30))
    assert log.start_offset == log.segments[0].base_offset


def test_everything_goes_when_everything_is_old(tmp_path):
    log = filled(tmp_path)
    log.delete_until(expired_until(log, topic(tmp_path, retention_ms="10"), NOW_MS + 90_000))
    assert (log.start_offset, log.end_offset, log.size) == (30, 30, 0)
    assert log.append(sent(b"new"), NOW_MS).base_offset == 30


def test_no_more_bytes_are_kept_than_allowed_but_for_a_segment(tmp_path):
    log = filled(tmp_path)
    log.delete_until(expired_until(log, topic(tmp_path, retention_bytes="600"), NOW_MS))
    assert 600 <= log.size <= 900


def test_unlimited_means_unlimited(tmp_path):
    log = filled(tmp_path)
    unlimited = topic(tmp_path, retention_ms="-1")
    assert expired_until(log, unlimited, NOW_MS + 10**12) == 0


def test_files_are_removed_by_the_syncing_thread_and_stay_gone(tmp_path):
    log = filled(tmp_path)
    log.delete_until(15)
    assert log.garbage
    sync(log)
    again = make_log(tmp_path, start_offset=15)
    assert again.start_offset == 15
    assert len(again.segments) == len(log.segments)


def test_the_start_is_known_without_the_journal(tmp_path):
    log = filled(tmp_path)
    log.delete_until(15)
    sync(log)
    assert make_log(tmp_path).start_offset == log.segments[0].base_offset > 0
