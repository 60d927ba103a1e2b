"""The committed offset: everything delivered below it is finished, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from stepwell.streams.kafka.frontier import Frontier


def frontier(*delivered: int, finished: tuple[int, ...] = ()) -> Frontier:
    made = Frontier()
    for offset in delivered:
        made.deliver(offset)
    for offset in finished:
        made.finish(offset)
    return made


def test_nothing_is_to_be_committed_before_anything_is_finished():
    assert frontier().position() is None
    assert frontier(0, 1, 2).position() is None


def test_the_very_first_offset_counts():
    assert frontier(0, finished=(0,)).position() == 1
    assert frontier(0, 5, finished=(0,)).position() == 5


def test_an_unfinished_record_holds_everything_behind_it_back():
    assert frontier(4, 5, 6, finished=(4, 6)).position() == 5
    assert frontier(4, 5, 6, finished=(5, 6)).position() is None


def test_it_jumps_forward_when_the_missing_one_is_finished():
    assert frontier(4, 5, 6, 7, finished=(5, 6, 4)).position() == 7


def test_offsets_that_never_were_delivered_hold_nothing_back():
    assert frontier(3, 10, 11, finished=(3, 10)).position() == 11
    assert frontier(3, 10, finished=(3, 10)).position() == 11


@given(
    gaps=st.lists(st.integers(1, 4), min_size=1, max_size=30),
    order=st.randoms(use_true_random=False),
    count=st.integers(0, 30),
)
def test_whatever_the_order_it_is_the_first_unfinished_one(gaps, order, count):
    delivered = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    finished = order.sample(delivered, min(count, len(delivered)))
    unfinished = sorted(set(delivered) - set(finished))
    position = frontier(*delivered, finished=tuple(finished)).position()
    if delivered[0] not in finished:
        assert position is None
    else:
        assert position == (unfinished[0] if unfinished else delivered[-1] + 1)
