"""Texts run in groups of equal length that fit the cache, and none is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from stepwell.models.batching import TOKENS_PER_RUN_MAX, LengthQueue, equal_length_groups

LENGTHS = st.lists(st.integers(min_value=1, max_value=700), max_size=300)


@given(LENGTHS)
def test_every_text_is_in_exactly_one_group(lengths):
    groups = equal_length_groups(lengths)
    assert sorted(it for group in groups for it in group) == list(range(len(lengths)))


@given(LENGTHS)
def test_a_group_has_one_length_and_fits_a_run_unless_it_is_a_single_text(lengths):
    for group in equal_length_groups(lengths):
        assert len({lengths[it] for it in group}) == 1
        assert len(group) == 1 or len(group) * lengths[group[0]] <= TOKENS_PER_RUN_MAX


def test_a_full_group_is_preferred_to_many_small_ones():
    assert equal_length_groups([100] * 7) == [[0, 1, 2, 3, 4], [5, 6]]


def test_lengths_take_turns_so_that_no_text_waits_forever():
    queue = LengthQueue[str]()
    for number in range(20):
        queue.add(256, f"common {number}")
    queue.add(9, "rare")
    assert queue.take() == ["common 0", "common 1"]
    assert queue.take() == ["rare"]
    assert queue.take() == ["common 2", "common 3"]
    assert len(queue) == 16


def test_an_empty_queue_gives_nothing():
    assert LengthQueue[str]().take() == []
