"""A producer that repeats itself writes once; one that skips is told."""

import pytest

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.errors import Refused
from tests.broker.making import NOW_MS, make_log, sent


def batch(sequence, *values, epoch=0, producer_id=9):
    return sent(*(values or (b"v",)), producer_id=producer_id, epoch=epoch, sequence=sequence)


def refusal(log, data):
    with pytest.raises(Refused) as refused:
        log.append(data, NOW_MS)
    return refused.value.code


def test_a_repeated_batch_gets_the_offset_it_has(tmp_path):
    log = make_log(tmp_path)
    for sequence in range(5):
        log.append(batch(sequence), NOW_MS)
    assert [log.append(batch(s), NOW_MS).base_offset for s in (0, 4, 2)] == [0, 4, 2]
    assert log.end_offset == 5


def test_a_gap_is_refused(tmp_path):
    log = make_log(tmp_path)
    log.append(batch(0), NOW_MS)
    assert refusal(log, batch(2)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_repetition_of_long_ago_is_refused(tmp_path):
    log = make_log(tmp_path)
    for sequence in range(7):
        log.append(batch(sequence), NOW_MS)
    assert refusal(log, batch(0)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_an_older_epoch_is_fenced_off(tmp_path):
    log = make_log(tmp_path)
    log.append(batch(0, epoch=1), NOW_MS)
    assert refusal(log, batch(1, epoch=0)) is ErrorCode.INVALID_PRODUCER_EPOCH


def test_a_newer_epoch_begins_at_zero(tmp_path):
    log = make_log(tmp_path)
    log.append(batch(0), NOW_MS)
    assert refusal(log, batch(1, epoch=1)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    log.append(batch(0, epoch=1), NOW_MS)


def test_an_unknown_producer_may_begin_anywhere(tmp_path):
    log = make_log(tmp_path)
    assert log.append(batch(1234), NOW_MS).base_offset == 0


def test_sequences_go_on_at_zero_after_the_last_number(tmp_path):
    log = make_log(tmp_path)
    log.append(batch(2**31 - 2, b"a", b"b", b"c"), NOW_MS)
    assert log.append(batch(1), NOW_MS).base_offset == 3


def test_idle_producers_are_forgotten_but_not_those_with_an_open_transaction(tmp_path):
    log = make_log(tmp_path)
    log.append(batch(0), NOW_MS)
    open_one = sent(b"v", producer_id=10, epoch=0, sequence=0, transactional=True)
    log.append(open_one, NOW_MS)
    log.producers.forget_idle(NOW_MS + 1)
    assert log.append(batch(500), NOW_MS).base_offset == 2
    assert log.append(open_one, NOW_MS).base_offset == 1
