"""From what was asked and what the log has to ranges; no log is needed for that."""

import pytest

from stepwell.streams.replay.asking import Origin, Request, Scope, Start, Until
from stepwell.streams.replay.errors import InvalidReplay, OutOfBounds, PlaceNotFound
from stepwell.streams.replay.ranges import Facts, Range, check_scopes, resolve

EVENTS = Facts("events", 0, earliest=10, end=20, at_start=15, at_until=18, committed=16)


def resolved(start: Start, until: Until | None = None, facts: Facts = EVENTS) -> Range:
    (found,) = resolve(Request(start, until=until or Until(), execute=True), [facts])
    return found


@pytest.mark.parametrize(
    ("start", "until", "expected"),
    [
        (Start(Origin.EARLIEST), Until(), (10, 20)),
        (Start(Origin.OFFSET, 12), Until(), (12, 20)),
        (Start(Origin.OFFSET, 10), Until(offset=11), (10, 11)),
        (Start(Origin.OFFSET, 20), Until(), (20, 20)),
        (Start(Origin.TIME, 1), Until(), (15, 20)),
        (Start(Origin.TIME, 1), Until(time_ms=2), (15, 18)),
        (Start(Origin.SHIFT, -6), Until(), (10, 20)),
        (Start(Origin.SHIFT, 4), Until(), (20, 20)),
        (Start(Origin.FILE, offsets={("events", 0): 13}), Until(), (13, 20)),
    ],
)
def test_it_begins_and_ends_where_it_was_told_to(start, until, expected):
    found = resolved(start, until)
    assert (found.first, found.end, found.note) == (*expected, "")


def test_a_time_after_the_last_record_leaves_nothing():
    later = Facts("events", 0, earliest=10, end=20, at_start=None, at_until=12)
    assert resolved(Start(Origin.TIME, 9), None, later) == Range("events", 0, 20, 20)
    found = resolved(Start(Origin.OFFSET, 15), Until(time_ms=1), later)
    assert found.first == found.end


def test_without_committed_offsets_a_shift_counts_from_the_end():
    fresh = Facts("events", 0, earliest=10, end=20)
    assert resolved(Start(Origin.SHIFT, -3), None, fresh).first == 17


@pytest.mark.parametrize(
    ("start", "until", "first", "problem"),
    [
        (Start(Origin.OFFSET, 9), Until(), 10, "the start, offset 9, is below the earliest, 10"),
        (Start(Origin.OFFSET, -1), Until(), 10, "offset -1, is below the earliest, 10"),
        (Start(Origin.OFFSET, 21), Until(), 20, "the start, offset 21, is past the end, 20"),
        (Start(Origin.SHIFT, -999_999_999), Until(), 10, "is below the earliest, 10"),
        (Start(Origin.EARLIEST), Until(offset=99), 10, "the end, offset 99, is past the end, 20"),
    ],
)
def test_offsets_out_of_bounds_are_clamped_in_a_dry_run_and_refused_otherwise(
    start, until, first, problem
):
    (found,) = resolve(Request(start, until=until), [EVENTS])
    assert found.first == first
    assert problem in found.note
    with pytest.raises(OutOfBounds, match=problem):
        resolved(start, until)


def test_all_partitions_that_are_out_of_bounds_are_named_up_to_a_few():
    facts = [Facts("events", number, 10, 20) for number in range(9)]
    with pytest.raises(OutOfBounds, match=r"events:0: .*events:3: .* and 5 more") as refused:
        resolve(Request(Start(Origin.OFFSET, 1), execute=True), facts)
    assert "events:4" not in str(refused.value)


def test_an_end_before_the_start_makes_no_sense():
    with pytest.raises(InvalidReplay, match="the end, 12, is before the start, 15"):
        resolved(Start(Origin.OFFSET, 15), Until(offset=12))


@pytest.mark.parametrize(
    ("scope", "problem"),
    [
        (Scope("t.event"), "no topic 't.event'; did you mean one of: t.events"),
        (Scope("t.*"), "no topic 't.*'; did you mean one of: t.events, t.journal"),
        (Scope("zzz"), "there is no topic 'zzz'"),
        (Scope("t.events", (99,)), "'t.events' has no partition 99, only 0 to 3"),
    ],
)
def test_places_that_do_not_exist_are_named_with_those_that_do(scope, problem):
    known = {"t.events": [0, 1, 2, 3], "t.journal": [0, 1, 2, 3]}
    with pytest.raises(PlaceNotFound) as refused:
        check_scopes([Scope("t.events", (0, 3)), scope], known)
    assert problem in str(refused.value)
