"""A dead letter: the bytes as they came, where they lay, why they failed, how often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.schemas.dead_letters import Failure, read_letter, read_resolution, retry_headers
from stepwell.schemas.parts import LATEST_MS
from stepwell.streams.agents.records import LETTER_BYTES_MAX, RawRecord, dead_letter
from tests.deadletters.topic import BAD_JSON, CE, EVENTS, MemoryTopics

TOPICS = MemoryTopics()


def letter_of(record: RawRecord, failure: Failure = BAD_JSON, now_ms: int = 7):
    made = dead_letter(record, failure, now_ms=now_ms, app_version="1.2")
    return made, read_letter(made.headers)


def retried(made, letter) -> RawRecord:
    return RawRecord(EVENTS, 3, 99, 900, made.key, made.value, retry_headers(letter, made.headers))


def test_it_keeps_the_bytes_and_says_where_they_lay_and_why_they_failed() -> None:
    failure = Failure("route", "trigger", "no total", "KeyError", "order", "o-1")
    made, letter = letter_of(TOPICS.event(b"\x00\xff"), failure)
    assert (made.key, made.value) == (b"order-7", b"\x00\xff")
    assert made.headers[: len(CE)] == CE
    source = letter.source
    assert (source.topic, source.partition, source.offset) == (EVENTS, 3, 42)
    assert (source.timestamp_ms, letter.failure) == (500, failure)
    assert (letter.repeats.attempts, letter.failed_ms, letter.app_version) == (1, 7, "1.2")


def test_a_long_message_is_cut_to_a_kilobyte_at_a_character() -> None:
    _, letter = letter_of(TOPICS.event(), Failure("route", "trigger", "x" + "ü" * 5_000))
    assert letter.failure.message == "x" + "ü" * 511


def test_a_record_that_fails_again_keeps_its_first_cause_and_is_counted() -> None:
    made, letter = letter_of(TOPICS.event(), now_ms=7)
    again, letter = letter_of(retried(made, letter), Failure("route", "trigger", "new"), now_ms=9)
    assert (letter.repeats.attempts, letter.repeats.first_reason) == (2, "decode")
    assert (letter.repeats.first_failed_ms, letter.failed_ms) == (7, 9)
    assert (letter.failure.reason, letter.source.offset) == ("trigger", 99)
    _, letter = letter_of(retried(again, letter), now_ms=11)
    assert (letter.repeats.attempts, letter.repeats.first_reason) == (3, "decode")


def test_t14_headers_that_pretend_to_be_ours_are_kept_under_another_name() -> None:
    forged = (("stepwell-topic", b"secrets"), ("Stepwell-Reason", b"none"), ("x", None))
    record = RawRecord(EVENTS, 3, 42, 500, b"k", b"{", (*CE, *forged))
    made, letter = letter_of(record)
    assert (letter.source.topic, letter.failure.reason) == (EVENTS, "decode")
    assert ("foreign-stepwell-topic", b"secrets") in made.headers
    back = retry_headers(letter, made.headers)
    assert back[: len(CE) + len(forged)] == (*CE, *forged)


def test_t14_a_letter_cannot_pretend_to_resolve_another() -> None:
    forged = (("stepwell-resolves", b"3:0"), ("stepwell-resolution", b"discarded"))
    made, _ = letter_of(RawRecord(EVENTS, 3, 43, 500, b"k", b"{", forged))
    assert read_resolution(made.headers) is None


def test_a_count_of_attempts_that_is_no_number_is_not_believed() -> None:
    for forged in (b"-1", b"many", b"\xff", b"9" * 400):
        record = RawRecord(EVENTS, 3, 42, 500, b"k", b"{", (("stepwell-attempts", forged),))
        assert letter_of(record)[1].repeats.attempts == 1


def test_t5_times_beyond_any_calendar_are_bounded() -> None:
    forged = (("stepwell-attempts", b"2"), ("stepwell-first-failed-at", b"9" * 18))
    _, letter = letter_of(RawRecord(EVENTS, 3, 42, 2**62, b"k", b"{", forged))
    assert (letter.repeats.attempts, letter.repeats.first_failed_ms) == (3, LATEST_MS)


def test_a_value_too_large_for_a_letter_is_cut_and_its_size_and_place_are_named() -> None:
    made, letter = letter_of(TOPICS.event(b"x" * (LETTER_BYTES_MAX + 1)))
    assert made.value == b"x" * 65_536
    assert (letter.whole_bytes, letter.source.offset) == (LETTER_BYTES_MAX + 1, 42)


def test_a_key_and_headers_too_large_for_a_letter_are_cut_as_well() -> None:
    record = RawRecord(EVENTS, 3, 42, 500, b"k" * LETTER_BYTES_MAX, b"v", CE)
    made, letter = letter_of(record)
    assert (len(made.key or b""), made.value, letter.whole_bytes) == (1024, b"v", 1)
    many = tuple((f"h{number}", b"x" * 1000) for number in range(3_000))
    made, letter = letter_of(RawRecord(EVENTS, 3, 42, 500, b"k", b"v", many))
    assert len(made.headers) < 20
    assert letter.source.offset == 42


def test_headers_that_say_nothing_of_ours_are_read_as_a_letter_of_unknown_origin() -> None:
    letter = read_letter([("stepwell-offset", b"soon"), ("x", None)])
    assert (letter.source.topic, letter.source.offset) == ("", -1)
    assert (letter.failure.reason, letter.repeats.attempts) == ("", 1)


NAMES = st.one_of(
    st.text(min_size=1, max_size=10),
    st.sampled_from(["stepwell-topic", "STEPWELL-x", "foreign-stepwell-x", "ce_id", "traceparent"]),
)
HEADERS = st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=10)), max_size=8).map(tuple)


@pytest.mark.slow
@given(HEADERS, st.none() | st.binary(max_size=20), st.none() | st.binary(max_size=20))
def test_the_original_record_can_be_made_again_of_any_letter(headers, key, value) -> None:
    made, letter = letter_of(RawRecord(EVENTS, 0, 1, 2, key, value, headers))
    again = retried(made, letter)
    assert (again.key, again.value) == (key, value)
    assert again.headers[: len(headers)] == headers
    assert [name for name, _ in again.headers[len(headers) :]] == [
        "stepwell-attempts",
        "stepwell-first-reason",
        "stepwell-first-failed-at",
    ]
