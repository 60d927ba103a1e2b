"""What is appended is read back as it was sent, at the offsets that were said."""

import pytest

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.errors import Refused
from stepwell.streams.broker.storage import batch as batches
from tests.broker.making import CODECS, NOW_MS, make_log, offsets, sent


def test_batches_get_offsets_one_after_another(tmp_path):
    log = make_log(tmp_path)
    assert log.append(sent(b"a", b"b"), NOW_MS).base_offset == 0
    assert log.append(sent(b"c"), NOW_MS).base_offset == 2
    assert offsets(log) == [0, 1, 2]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_batch_is_stored_as_it_came_but_for_its_place(tmp_path, codec):
    log = make_log(tmp_path)
    log.append(sent(b"before"), NOW_MS)
    data = sent(b"a" * 100, b"b" * 100, codec=codec)
    log.append(data, NOW_MS)
    stored = log.read(1, 10_000, committed=False)
    assert stored[16:] == data[16:]
    header = batches.read_header(stored)
    assert header is not None
    assert header.base_offset == 1
    assert batches.is_intact(stored, 0, header)


def test_reading_within_a_batch_gives_the_whole_batch(tmp_path):
    log = make_log(tmp_path)
    log.append(sent(b"a", b"b", b"c"), NOW_MS)
    assert log.read(2, 10_000, committed=False) == log.read(0, 10_000, committed=False)


def test_a_batch_larger_than_allowed_is_given_whole(tmp_path):
    log = make_log(tmp_path)
    data = sent(b"x" * 5000)
    log.append(data, NOW_MS)
    assert len(log.read(0, 100, committed=False)) == len(data)


def test_reading_goes_on_across_segments(tmp_path):
    log = make_log(tmp_path, segment_bytes=300)
    for number in range(20):
        log.append(sent(b"%d" % number * 20), NOW_MS)
    assert len(log.segments) > 3
    assert offsets(log) == list(range(20))
    assert offsets(log, 7) == list(range(7, 20))


def test_a_segment_ends_when_it_is_old_enough(tmp_path):
    log = make_log(tmp_path, segment_ms=1000)
    log.append(sent((None, b"a", NOW_MS)), NOW_MS)
    log.append(sent((None, b"b", NOW_MS + 1000)), NOW_MS)
    assert len(log.segments) == 1
    log.append(sent((None, b"c", NOW_MS + 1001)), NOW_MS)
    assert len(log.segments) == 2


def test_offsets_out_of_range_are_refused(tmp_path):
    log = make_log(tmp_path)
    log.append(sent(b"a"), NOW_MS)
    assert log.read(1, 100, committed=False) == b""
    for offset in (-1, 2):
        with pytest.raises(Refused) as refused:
            log.read(offset, 100, committed=False)
        assert refused.value.code is ErrorCode.OFFSET_OUT_OF_RANGE


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", ErrorCode.INVALID_RECORD),
        (b"\xff" * 61, ErrorCode.INVALID_RECORD),
        (sent(b"a")[:-1], ErrorCode.CORRUPT_MESSAGE),
        (sent(b"a")[:20], ErrorCode.CORRUPT_MESSAGE),
        (sent(b"a")[:-1] + b"?", ErrorCode.CORRUPT_MESSAGE),
        (sent(b"a") * 2, ErrorCode.INVALID_RECORD),
        (sent(b"a" * 2000), ErrorCode.MESSAGE_TOO_LARGE),
        (sent((None, b"a", NOW_MS + 2001)), ErrorCode.INVALID_TIMESTAMP),
        (batches.marker(1, 0, commit=True, now_ms=NOW_MS), ErrorCode.INVALID_RECORD),
    ],
    ids=lambda case: case.name if isinstance(case, ErrorCode) else f"{len(case)} bytes",
)
def test_what_is_no_good_batch_is_refused_and_changes_nothing(tmp_path, data, code):
    log = make_log(tmp_path, message_bytes_max=1000, future_max_ms=2000)
    with pytest.raises(Refused) as refused:
        log.append(data, NOW_MS)
    assert refused.value.code is code
    assert log.end_offset == 0


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_log_that_is_compacted_takes_only_records_with_keys(tmp_path, codec):
    log = make_log(tmp_path, needs_keys=True)
    log.append(sent((b"k", b"v"), codec=codec), NOW_MS)
    with pytest.raises(Refused) as refused:
        log.append(sent((b"k", b"v"), (None, b"v"), codec=codec), NOW_MS)
    assert refused.value.code is ErrorCode.INVALID_RECORD


def test_a_log_that_stamps_gives_its_own_time(tmp_path):
    log = make_log(tmp_path, stamps=True)
    assert log.append(sent((None, b"a", 5)), NOW_MS).timestamp == NOW_MS
    stored = log.read(0, 1000, committed=False)
    header = batches.read_header(stored)
    assert header is not None
    assert (header.max_timestamp, header.attributes) == (NOW_MS, batches.LOG_APPEND_TIME)
    assert batches.is_intact(stored, 0, header)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_time_is_found_to_the_record(tmp_path, codec):
    log = make_log(tmp_path, segment_bytes=400)
    for number in range(10):
        times = [(b"k", b"v", 1000 * number + step) for step in (0, 10, 20)]
        log.append(sent(*times, codec=codec), NOW_MS)
    assert log.find_time(0, committed=False) == (0, 0)
    assert log.find_time(4011, committed=False) == (14, 4020)
    assert log.find_time(4021, committed=False) == (15, 5000)
    assert log.find_time(9021, committed=False) is None
    assert log.latest_time(committed=False) == (29, 9020)
