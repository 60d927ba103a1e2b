"""Bars of the timeline: what they are of, where they lie, and that they never leave the drawing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.streams.dashboard.drawing import BARS_PER_STEP, WIDTH, draw
from stepwell.streams.stretches import AttemptView, SpanView
from stepwell.streams.views import InstanceDetails, InstanceSummary, StepView

TIMES = st.integers(0, 2_000_000_000_000)


def details(*steps, status="running", created_ms=0, updated_ms=0, spans=()):
    summary = InstanceSummary("order", "one", status, created_ms, updated_ms)
    return InstanceDetails(summary, None, None, tuple(steps), spans=spans)


def drawn(*steps, now_ms=1_000, **more):
    return draw(details(*steps, **more), steps, now_ms)


def bars(drawing, lane=0):
    return [(bar.kind, bar.x, bar.width, bar.is_open) for bar in drawing.lanes[lane].bars]


@pytest.mark.parametrize(
    ("kind", "bar"), [("sleep", "sleep"), ("wait", "wait"), ("child", "child"), ("do", "run")]
)
def test_a_step_that_goes_on_is_open_until_now(kind, bar):
    drawing = drawn(StepView("s", 1, "running", 1, started_ms=500, kind=kind))
    assert bars(drawing) == [(bar, 500.0, 500.0, True)]


def test_a_retry_is_a_failed_attempt_a_delay_and_a_wait_for_a_place():
    failed = AttemptView(1, "failed", 100, 200, "Boom", retry_at_ms=400)
    step = StepView("s", 1, "retrying", 1, 100, attempts_made=(failed,))
    assert bars(drawn(step)) == [
        ("failed", 100.0, 100.0, False),
        ("backoff", 200.0, 200.0, False),
        ("queue", 400.0, 600.0, True),
    ]
    assert bars(drawn(step, now_ms=300))[1] == ("backoff", 666.7, 333.3, True)


def test_an_attempt_that_was_lost_ends_where_the_next_begins():
    attempts = (AttemptView(1, "lost", 100), AttemptView(2, "running", 500))
    step = StepView("s", 1, "running", 2, 100, attempts_made=attempts)
    assert bars(drawn(step)) == [("failed", 100.0, 400.0, False), ("run", 500.0, 500.0, True)]


def test_the_instance_has_a_lane_where_it_stood_in_a_queue_or_was_paused():
    spans = (SpanView("queued", 0, 250, "running_max"), SpanView("paused", 500))
    drawing = drawn(spans=spans)
    assert bars(drawing) == [("queue", 0.0, 250.0, False), ("paused", 500.0, 500.0, True)]
    assert (
        drawing.lanes[0].text
        == "running_max: 250 ms, from 0 ms; is paused: 500 ms so far, from 500 ms"
    )
    assert drawing.kinds == ("queue", "paused")


def test_a_pause_ends_with_the_instance():
    drawing = drawn(spans=(SpanView("paused", 500),), status="terminated", updated_ms=1_000)
    assert bars(drawing) == [("paused", 500.0, 500.0, False)]


def test_what_is_over_is_drawn_to_its_end_only():
    step = StepView("s", 1, "complete", 1, 0, 100)
    drawing = drawn(step, now_ms=9_999_999, status="complete", updated_ms=100)
    assert (drawing.until_ms, bars(drawing)) == (100, [("run", 0.0, 1000.0, False)])


def test_a_run_that_began_long_after_the_creation_is_drawn_from_its_own_beginning():
    step = StepView("s", 1, "complete", 1, 1_000_000, 1_000_100)
    drawing = drawn(step, status="complete", updated_ms=1_000_100)
    assert drawing.from_ms == 1_000_000


def test_many_attempts_are_summed_up_in_words():
    attempts = tuple(
        AttemptView(number, "failed", number * 10, number * 10 + 5) for number in range(1, 100)
    )
    (lane,) = drawn(StepView("s", 1, "errored", 99, 10, 995, attempts_made=attempts)).lanes
    assert len(lane.bars) == BARS_PER_STEP
    assert lane.text == "an attempt failed: 99 times, 495 ms"


@given(
    st.lists(
        st.tuples(TIMES, TIMES, TIMES, st.sampled_from(["lost", "failed", "succeeded", "running"]))
    ),
    st.sampled_from(["running", "retrying", "complete", "errored", "cancelled"]),
    st.sampled_from(["running", "complete"]),
    TIMES,
    TIMES,
)
def test_bars_stay_in_the_drawing_whatever_clocks_said(found, step_status, status, created, now):
    attempts = tuple(
        AttemptView(number, outcome, start, end, retry_at_ms=retry)
        for number, (start, end, retry, outcome) in enumerate(found, 1)
    )
    step = StepView("s", 1, step_status, 1, created, attempts_made=attempts)
    drawing = drawn(step, now_ms=now, status=status, created_ms=created, updated_ms=now)
    assert drawing.from_ms < drawing.until_ms
    for lane in drawing.lanes:
        for bar in lane.bars:
            assert bar.x >= 0
            assert bar.width > 0
            assert bar.x + bar.width <= WIDTH + 0.2
