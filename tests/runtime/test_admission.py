"""Admission: no limit is passed, no place is left free that somebody waits for, all in turn."""

import heapq
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.schemas.journal import InstanceKey
from stepwell.schemas.parts import Lane
from stepwell.streams.engine.places import Places, Rate
from stepwell.streams.runtime.admission import Gate, Ticket


class Door:
    """A gate with a clock moved by hand, and a list of who was let in."""

    def __init__(self, running_max: int = 1_000_000) -> None:
        self.now_ms = 1_000_000
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self.gate = Gate(running_max, lambda: self.now_ms, self._call_later)
        self.granted: list[str] = []
        self.granted_at_ms: dict[str, int] = {}
        self._tickets: dict[str, Ticket] = {}

    def _call_later(self, ms: int, function: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self.now_ms + ms, len(self._tickets), _By(function)))

    def ticket(
        self,
        name: str,
        places: Places | None = None,
        workflow: str = "embed",
        key: str | None = None,
        lane: Lane = Lane.LIVE,
        woken: bool = False,
    ) -> Ticket:
        instance = InstanceKey(workflow, name)
        return Ticket(instance, places, key, lane, woken, lambda: self._grant(name))

    def _grant(self, name: str) -> None:
        self.granted.append(name)
        self.granted_at_ms[name] = self.now_ms

    def enter(self, name: str, places: Places | None = None, **traits) -> str | None:
        ticket = self._tickets[name] = self.ticket(name, places, **traits)
        return self.gate.enter(ticket)

    def leave(self, name: str) -> None:
        self.gate.leave(self._tickets[name])

    def turn(self) -> list[str]:
        """Everything that is due happens; who was told that it has its place."""
        while self._timers and self._timers[0][0] <= self.now_ms:
            heapq.heappop(self._timers)[2]()
        granted, self.granted = self.granted, []
        return granted

    def wait(self, ms: int) -> list[str]:
        """Time passes, from one timer to the next."""
        end_ms, told = self.now_ms + ms, []
        while self._timers and self._timers[0][0] <= end_ms:
            self.now_ms = max(self.now_ms, self._timers[0][0])
            told += self.turn()
        self.now_ms = end_ms
        return told + self.turn()


class _By:
    """A function in a heap: all are equal."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function

    def __call__(self) -> None:
        self._function()

    def __lt__(self, _other: object) -> bool:
        return False


def test_who_finds_a_place_has_it_at_once_and_is_not_told_again() -> None:
    door = Door(running_max=2)
    assert (door.enter("a"), door.enter("b")) == (None, None)
    assert door.turn() == []
    assert (door.gate.running, door.gate.waiting) == (2, 0)


def test_who_waits_is_told_in_a_turn_of_its_own() -> None:
    door = Door(running_max=1)
    door.enter("a")
    assert door.enter("b") == "1 of 1 running in this worker"
    door.leave("a")
    assert (door.granted, door.gate.running) == ([], 1)
    assert door.turn() == ["b"]
    assert door.turn() == []


def test_who_leaves_before_it_is_told_is_never_told_and_the_next_has_its_place() -> None:
    door = Door(running_max=1)
    for name in "abc":
        door.enter(name)
    door.leave("a")
    door.leave("b")
    assert door.turn() == ["c"]


def test_leaving_twice_gives_one_place_back() -> None:
    door = Door(running_max=2)
    for name in "abcd":
        door.enter(name)
    door.leave("a")
    door.leave("a")
    assert (door.turn(), door.gate.running) == (["c"], 2)


def test_a_ticket_may_come_again() -> None:
    door = Door(running_max=1)
    ticket = door.ticket("a")
    assert door.gate.enter(ticket) is None
    door.gate.leave(ticket)
    door.enter("b")
    assert door.gate.enter(ticket) is not None
    door.leave("b")
    assert door.turn() == ["a"]


def test_the_limit_of_a_workflow_holds_up_no_other_workflow() -> None:
    door = Door()
    places = Places(running_max=1)
    door.enter("a", places, workflow="embed-content")
    assert door.enter("b", places, workflow="embed-content") == "1 of 1 running of embed-content"
    assert door.enter("c", workflow="report") is None
    door.leave("c")
    assert door.turn() == []
    door.leave("a")
    assert door.turn() == ["b"]


def test_the_limit_of_a_key_holds_up_no_other_key() -> None:
    door = Door()
    places = Places(key=str, running_max_per_key=1)
    door.enter("a", places, key="acme")
    assert door.enter("b", places, key="acme") == "1 of 1 running of embed for 'acme'"
    assert door.enter("c", places, key="umbrella") is None
    door.leave("a")
    assert door.turn() == ["b"]


def test_a_rate_lets_a_burst_in_and_then_one_after_another() -> None:
    door = Door()
    places = Places(rate=Rate(2, "10 seconds"))
    reasons = [door.enter(name, places) for name in "abcd"]
    assert reasons == [None, None, *["2 per 10 seconds have begun of embed"] * 2]
    assert [door.wait(4_999), door.wait(1), door.wait(4_999), door.wait(1)] == [
        [],
        ["c"],
        [],
        ["d"],
    ]


def test_a_rate_per_key_counts_each_key_apart() -> None:
    door = Door()
    places = Places(key=str, rate_per_key=Rate(1, 1_000))
    assert door.enter("a", places, key="acme") is None
    assert door.enter("b", places, key="acme") == "1 per 1000 ms have begun of embed for 'acme'"
    assert door.enter("c", places, key="umbrella") is None
    assert door.wait(1_000) == ["b"]


def test_who_has_begun_before_is_not_held_up_by_a_rate() -> None:
    door = Door()
    places = Places(rate=Rate(1, "1 hour"))
    door.enter("a", places)
    assert door.enter("b", places) is not None
    assert door.enter("c", places, woken=True) is None


def test_a_clock_that_is_set_back_holds_nobody_up_for_longer_than_a_period() -> None:
    door = Door()
    places = Places(rate=Rate(1, 1_000))
    door.enter("a", places)
    door.now_ms -= 900_000
    door.enter("b", places)
    assert door.wait(1_000) == ["b"]


def test_live_goes_before_bulk_and_who_has_begun_before_who_is_new() -> None:
    door = Door(running_max=1)
    door.enter("first")
    door.enter("bulk, new", lane=Lane.BULK)
    door.enter("bulk, woken", lane=Lane.BULK, woken=True)
    door.enter("live, new")
    door.enter("live, woken", woken=True)
    order = []
    leaving = "first"
    while door.gate.waiting:
        door.leave(leaving)
        (leaving,) = door.turn()
        order.append(leaving)
    assert order == ["live, woken", "live, new", "bulk, woken", "bulk, new"]


def test_the_keys_of_a_workflow_take_turns() -> None:
    door = Door(running_max=1)
    places = Places(key=str)
    door.enter("first", places)
    for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
        door.enter(name, places, key=name[0])
    order, leaving = [], "first"
    while door.gate.waiting:
        door.leave(leaving)
        (leaving,) = door.turn()
        order.append(leaving)
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_between_workflows_the_first_to_come_is_the_first_to_go() -> None:
    door = Door(running_max=1)
    door.enter("first")
    for number in range(6):
        door.enter(f"{number}", workflow=("x", "y")[number % 2])
    order, leaving = [], "first"
    while door.gate.waiting:
        door.leave(leaving)
        (leaving,) = door.turn()
        order.append(leaving)
    assert order == list("012345")


def test_keys_that_nobody_uses_any_more_are_forgotten() -> None:
    door = Door()
    places = Places(key=str, running_max_per_key=1)
    for number in range(10_000):
        door.enter("a", places, key=str(number))
        door.leave("a")
    assert len(door.gate._workflows["embed"].lines) < 100


@pytest.mark.slow
def test_a_hundred_thousand_in_line_are_served_in_their_order() -> None:
    door = Door(running_max=100)
    places = Places(key=str, running_max_per_key=1)
    names = [f"{number}" for number in range(100_000)]
    told = [name for name in names if door.enter(name, places, key=name[-3:]) is None]
    assert (len(told), door.gate.waiting) == (100, 99_900)
    for name in told:  # grows while it is read
        door.leave(name)
        told += door.turn()
    assert sorted(told, key=int) == names
    assert (door.gate.running, door.gate.waiting) == (0, 0)


LIMITS = (
    None,
    Places(running_max=2),
    Places(key=str, running_max_per_key=1),
    Places(key=str, running_max=3, running_max_per_key=2, rate_per_key=Rate(2, 50)),
    Places(rate=Rate(3, 100)),
)


class Crowd:
    """Comes and goes at random; knows who is inside, and checks every rule from the outside."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.door = Door(running_max=self.random.randint(1, 6))
        self.inside: dict[str, Ticket] = {}
        self.outside: dict[str, Ticket] = {}
        self.begun: list[tuple[int, Ticket]] = []
        self.count = 0

    def come(self) -> None:
        number = self.random.randrange(len(LIMITS))
        places = LIMITS[number]
        self.count += 1
        ticket = self.door.ticket(
            f"{self.count}",
            places,
            workflow=f"w{number}",
            key=self.random.choice("ab") if places and places.key else None,
            lane=self.random.choice(list(Lane)),
            woken=self.random.random() < 0.3,
        )
        if self.door.gate.enter(ticket) is None:
            self._begin(ticket)
        else:
            self.outside[ticket.instance.instance] = ticket

    def go(self) -> None:
        everybody = [*self.inside, *self.outside]
        if everybody:
            name = self.random.choice(everybody)
            self.door.gate.leave(self.inside.pop(name, None) or self.outside.pop(name))

    def rest(self) -> None:
        self.look(self.door.wait(self.random.randint(0, 60)))

    def look(self, told: list[str]) -> None:
        for name in told:
            self._begin(self.outside.pop(name))

    def _begin(self, ticket: Ticket) -> None:
        name = ticket.instance.instance
        self.inside[name] = ticket
        if not ticket.woken:
            at_ms = self.door.granted_at_ms.get(name, self.door.now_ms)
            self.begun.append((at_ms, ticket))

    def check(self) -> None:
        self.look(self.door.turn())
        assert self.door.gate.running == len(self.inside)
        assert len(self.inside) <= self.door.gate._running_max
        workflows, keys = Counter[str](), Counter[tuple[str, str | None]]()
        for ticket in self.inside.values():
            workflows[ticket.instance.workflow] += 1
            keys[ticket.instance.workflow, ticket.key] += 1
            places = ticket.places or Places()
            assert workflows[ticket.instance.workflow] <= (places.running_max or 99)
            assert keys[ticket.instance.workflow, ticket.key] <= (places.running_max_per_key or 99)
        for ticket in self.outside.values():
            assert not self._could_begin(ticket, workflows, keys), "a place is left free"

    def _could_begin(self, ticket: Ticket, workflows: Counter, keys: Counter) -> bool:
        places, workflow = ticket.places or Places(), ticket.instance.workflow
        if len(self.inside) >= self.door.gate._running_max:
            return False
        if workflows[workflow] >= (places.running_max or 99):
            return False
        if keys[workflow, ticket.key] >= (places.running_max_per_key or 99):
            return False
        if ticket.woken:
            return True
        begun = [b for b in self.begun if b[1].instance.workflow == workflow]
        of_key = [b for b in begun if b[1].key == ticket.key]
        return self._has_token(places.rate, begun) and self._has_token(places.rate_per_key, of_key)

    def _has_token(self, rate: Rate | None, begun: list[tuple[int, Ticket]]) -> bool:
        if rate is None:
            return True
        tokens, at_ms = float(rate.count), 0
        for begun_ms, _ in begun:
            tokens = self._refilled(rate, tokens, begun_ms - at_ms) - 1
            assert tokens > -0.001, "faster than the rate"
            at_ms = begun_ms
        return self._refilled(rate, tokens, self.door.now_ms - at_ms) > 0.999

    def _refilled(self, rate: Rate, tokens: float, ms: int) -> float:
        return min(rate.count, tokens + ms * rate.count / float(rate.per))


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32))
def test_no_limit_is_passed_and_no_place_left_free_whatever_comes_and_goes(seed: int) -> None:
    crowd = Crowd(seed)
    for _ in range(60):
        crowd.random.choice([crowd.come, crowd.come, crowd.go, crowd.rest])()
        crowd.check()
    while crowd.inside or crowd.outside:  # everybody is served in the end
        if crowd.inside:
            name = crowd.random.choice([*crowd.inside])
            crowd.door.gate.leave(crowd.inside.pop(name))
        else:
            before = len(crowd.outside)
            crowd.look(crowd.door.wait(1_000))
            assert len(crowd.outside) < before
        crowd.check()
    assert crowd.door.gate.running == crowd.door.gate.waiting == 0
