"""Alarms ring when they are due, never before, however far ahead and however many."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from stepwell.streams.engine.names import StepKey
from stepwell.streams.runtime.alarms import DUE_AT_ONCE, LOOK_AGAIN_MS, Alarms, Due

DAY_MS = 24 * 3600 * 1000


class Clock:
    """Virtual time, with calls that were put off."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.calls: list[tuple[int, Callable[[], None]]] = []

    def __call__(self) -> int:
        return self.now_ms

    def call_later(self, ms: int, function: Callable[[], None]) -> "Call":
        assert 0 <= ms <= LOOK_AGAIN_MS
        call = Call(self, (self.now_ms + ms, function))
        self.calls.append(call.entry)
        return call

    def pass_time_to(self, at_ms: int) -> None:
        while self.calls and min(self.calls)[0] <= at_ms:
            due = min(self.calls, key=lambda call: call[0])
            self.calls.remove(due)
            self.now_ms = max(self.now_ms, due[0])
            due[1]()
        self.now_ms = at_ms


class Call:
    """One that can be taken back."""

    def __init__(self, clock: Clock, entry: tuple[int, Callable[[], None]]) -> None:
        self._clock, self.entry = clock, entry

    def cancel(self) -> None:
        if self.entry in self._clock.calls:
            self._clock.calls.remove(self.entry)


def alarms(clock: Clock) -> tuple[Alarms, list[tuple[int, Due]]]:
    rung: list[tuple[int, Due]] = []
    made = Alarms(clock, clock.call_later, lambda due: rung.append((clock.now_ms, due)))
    return made, rung


@given(st.lists(st.integers(0, 3 * DAY_MS), max_size=20))
def test_each_rings_once_at_its_time(times: list[int]) -> None:
    clock = Clock()
    made, rung = alarms(clock)
    for number, at_ms in enumerate(times):
        made.set(at_ms, b"flow/one", StepKey("nap", number + 1, "sleep"))
    clock.pass_time_to(3 * DAY_MS)
    assert [now_ms for now_ms, _ in rung] == sorted(times)
    assert all(due[0] == now_ms for now_ms, due in rung)
    assert len(made) == 0


def test_many_that_are_due_at_once_ring_in_several_turns() -> None:
    clock = Clock()
    made, rung = alarms(clock)
    for number in range(3 * DUE_AT_ONCE):
        made.set(10, b"flow/%d" % number)
    clock.now_ms = 10
    at_ms, turn = clock.calls.pop()
    assert at_ms == 10
    turn()
    assert len(rung) == DUE_AT_ONCE
    clock.pass_time_to(10)
    assert len(rung) == 3 * DUE_AT_ONCE


def test_after_a_stop_nothing_rings() -> None:
    clock = Clock()
    made, rung = alarms(clock)
    made.set(10, b"flow/one")
    made.stop()
    clock.pass_time_to(DAY_MS)
    assert rung == []
