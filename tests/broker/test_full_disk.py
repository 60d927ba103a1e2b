"""A write that the disk does not take changes nothing, and later ones succeed."""

import pytest

from stepwell.streams.broker.errors import StorageFailed
from tests.broker.making import NOW_MS, make_log, offsets, sent


def test_a_batch_that_does_not_fit_is_as_if_never_sent(tmp_path, small_files):
    log = make_log(tmp_path)
    log.append(sent(b"a" * 500), NOW_MS)
    with small_files(1000):
        for _ in range(3):
            with pytest.raises(StorageFailed):
                log.append(sent(b"b" * 800), NOW_MS)
        assert offsets(log) == [0]
        log.append(sent(b"c"), NOW_MS)
    log.append(sent(b"d" * 800), NOW_MS)
    assert offsets(log) == [0, 1, 2]
    again = make_log(tmp_path)
    assert again.cut_bytes == 0
    assert offsets(again) == [0, 1, 2]


def test_a_producer_may_send_again_what_did_not_fit(tmp_path, small_files):
    log = make_log(tmp_path)
    data = sent(b"b" * 800, producer_id=1, epoch=0, sequence=0)
    with small_files(500), pytest.raises(StorageFailed):
        log.append(data, NOW_MS)
    assert log.append(data, NOW_MS).base_offset == 0
    assert log.append(data, NOW_MS).base_offset == 0
    assert log.end_offset == 1
