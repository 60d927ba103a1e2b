"""A log that was not closed opens with everything that was acknowledged."""

import os

import pytest

from tests.broker.making import NOW_MS, make_log, offsets, sent, sync


def filled(folder, *, segment_bytes=600, checkpoints=True):
    log = make_log(folder, segment_bytes=segment_bytes)
    for number in range(30):
        log.append(sent((b"k", b"%d" % number * 30, NOW_MS + number)), NOW_MS)
    if checkpoints:
        sync(log)
    return log


@pytest.mark.parametrize("checkpoints", [True, False])
def test_a_killed_process_loses_nothing(tmp_path, checkpoints):
    log = filled(tmp_path, checkpoints=checkpoints)
    again = make_log(tmp_path, segment_bytes=600)
    assert len(again.segments) == len(log.segments) > 2
    assert offsets(again) == list(range(30))
    assert again.find_time(NOW_MS + 17, committed=False) == (17, NOW_MS + 17)
    assert again.append(sent(b"next"), NOW_MS).base_offset == 30


@pytest.mark.parametrize("garbage", [b"\0" * 100, os.urandom(500), sent(b"cut")[:-3], b"x"])
def test_a_torn_tail_is_cut_off(tmp_path, garbage):
    log = filled(tmp_path)
    with log.active.path.open("ab") as file:
        file.write(garbage)
    again = make_log(tmp_path)
    assert again.cut_bytes == len(garbage)
    assert offsets(again) == list(range(30))
    assert again.append(sent(b"next"), NOW_MS).base_offset == 30
    assert offsets(make_log(tmp_path)) == list(range(31))


def test_a_flipped_bit_at_the_end_costs_the_batch_it_hit(tmp_path):
    log = filled(tmp_path)
    content = bytearray(log.active.path.read_bytes())
    content[-1] ^= 1
    log.active.path.write_bytes(content)
    assert make_log(tmp_path).end_offset == 29


def test_a_batch_that_is_larger_than_a_read_is_recovered(tmp_path):
    log = make_log(tmp_path, segment_bytes=20 * 2**20, message_bytes_max=10 * 2**20)
    for _ in range(3):
        log.append(sent(os.urandom(3 * 2**20)), NOW_MS)
    assert make_log(tmp_path).end_offset == 3


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_checkpoints_that_cannot_be_trusted_are_done_without(tmp_path, damage):
    log = filled(tmp_path)
    for segment in log.segments[:-1]:
        if damage is None:
            segment.checkpoint_path.unlink()
        else:
            segment.checkpoint_path.write_bytes(damage)
    assert offsets(make_log(tmp_path)) == list(range(30))


def test_checkpoints_that_a_kill_prevented_are_written_by_the_next_start(tmp_path):
    filled(tmp_path, checkpoints=False)
    sync(make_log(tmp_path))
    full = make_log(tmp_path).segments[:-1]
    assert full
    assert all(segment.checkpointed_size == segment.size for segment in full)


def test_a_start_after_an_orderly_stop_reads_no_batch(tmp_path):
    log = filled(tmp_path)
    log.active.checkpoint_path.write_bytes(log.checkpoint(log.active))
    read = []
    again = make_log(tmp_path)
    assert again.active.recover(lambda header, _: read.append(header)) == 0
    assert read == []
    assert offsets(again) == list(range(30))


def test_what_follows_a_checkpoint_is_read(tmp_path):
    log = filled(tmp_path)
    log.active.checkpoint_path.write_bytes(log.checkpoint(log.active))
    log.append(sent(b"after"), NOW_MS)
    assert offsets(make_log(tmp_path)) == list(range(31))


def test_a_producer_goes_on_after_a_restart(tmp_path):
    log = make_log(tmp_path, segment_bytes=300)
    for number in range(10):
        data = sent(b"%d" % number * 30, producer_id=7, epoch=0, sequence=number)
        log.append(data, NOW_MS)
    sync(log)
    again = make_log(tmp_path)
    assert again.append(data, NOW_MS).base_offset == 9
    assert again.end_offset == 10
    following = sent(b"10", producer_id=7, epoch=0, sequence=10)
    assert again.append(following, NOW_MS).base_offset == 10


def test_open_and_aborted_transactions_are_known_after_a_restart(tmp_path):
    log = make_log(tmp_path)
    log.append(sent(b"a", producer_id=1, epoch=0, sequence=0, transactional=True), NOW_MS)
    log.append_marker(1, 0, commit=False, now_ms=NOW_MS)
    log.append(sent(b"b", producer_id=2, epoch=0, sequence=0, transactional=True), NOW_MS)
    again = make_log(tmp_path)
    assert again.stable_offset == 2
    assert [tuple(row) for row in again.producers.aborted(0, 10)] == [(1, 0, 1)]
