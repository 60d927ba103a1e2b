"""Texts run in groups of equal length that fit the cache, and none is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from stepwell.models.batching import TOKENS_PER_RUN_MAX, LengthQueue, equal_length_groups

LENGTHS = st.lists(st.integers(min_value=0, max_value=700), max_size=300)


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


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_the_fullest_group_goes_first():
    queue = LengthQueue[str](clock=Clock())
    queue.add(30, "lonely")
    for number in range(3):
        queue.add(100, f"long {number}")
    for number in range(20):
        queue.add(9, f"short {number}")
    assert [len(queue.take()) for _ in range(3)] == [3, 20, 1]
    assert queue.take() == []


def test_a_text_that_waited_too_long_goes_before_fuller_groups():
    clock = Clock()
    queue = LengthQueue[str](age_max_s=0.25, clock=clock)
    queue.add(9, "rare")
    clock.now_s = 0.2
    for number in range(6):
        queue.add(256, f"common {number}")
    assert queue.take() == ["common 0", "common 1"]
    clock.now_s = 0.25
    assert queue.take() == ["rare"]
    assert queue.take() == ["common 2", "common 3"]


def test_it_knows_how_many_texts_and_tokens_wait():
    queue = LengthQueue[str](tokens_per_run_max=20)
    for length in (9, 9, 9, 40):
        queue.add(length, "text")
    assert (len(queue), queue.tokens) == (4, 67)
    assert queue.take() == ["text"]
    assert (len(queue), queue.tokens) == (3, 27)
    assert queue.take() == ["text", "text"]
    assert (len(queue), queue.tokens) == (1, 9)


def test_texts_of_no_tokens_run_together_like_others():
    assert equal_length_groups([0, 5, 0]) == [[1], [0, 2]]


def test_an_empty_queue_gives_nothing():
    assert LengthQueue[str]().take() == []
