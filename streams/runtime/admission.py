"""Who may have steps running: limits for the worker, each workflow and each key, and fair lines.

Live goes before bulk, then who has begun before who is new; the keys of a workflow take turns, and
otherwise the first to come is the first to go. Nobody waits for a place that it could have. No
operation looks at all who wait: a line whose key is held up stands aside until that changes.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count

from stepwell.schemas.journal import InstanceKey
from stepwell.schemas.parts import Lane
from stepwell.streams.engine.durations import to_ms
from stepwell.streams.engine.places import Places, Rate
from stepwell.streams.runtime.alarms import CallLater
from stepwell.streams.runtime.clock import Clock

LINES_KEPT_MIN = 64
"""Fewer lines than this are not worth looking through for idle ones."""


@dataclass(eq=False)
class Ticket:
    """An instance that wants to run steps. `granted` is called if it had to wait for its place."""

    instance: InstanceKey
    places: Places | None
    key: str | None
    lane: Lane
    woken: bool
    """It has begun before: no rate applies, and it goes before new ones."""
    granted: Callable[[], None]


class _Bucket:
    """A token bucket: `count` at once, then one every `per / count`. Counts in whole numbers."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._per = to_ms(rate.per)
        self._full_at = 0
        """When it is full again, in units of 1 / count milliseconds."""

    def wait_ms(self, now_ms: int) -> int:
        """How long until there is a token; 0 when there is one."""
        now = now_ms * self.rate.count
        full_in = self._per * self.rate.count
        # A clock that was set back must not make anybody wait longer than an empty bucket does.
        self._full_at = min(self._full_at, now + full_in)
        missing = self._full_at - now - full_in + self._per
        return max(0, -(-missing // self.rate.count))

    def take(self, now_ms: int) -> None:
        """Use one token."""
        self._full_at = max(self._full_at, now_ms * self.rate.count) + self._per

    def is_full(self, now_ms: int) -> bool:
        """Whether it is as if never used."""
        return self._full_at <= now_ms * self.rate.count


class _Limit:
    """How many run, how many may, and how fast they may begin: of a workflow, or of one key."""

    def __init__(self, whose: str, running_max: int | None, rate: Rate | None) -> None:
        self.whose = whose
        self.running_max = running_max
        self.running = 0
        self.bucket = None if rate is None else _Bucket(rate)
        self.is_timed = False
        """Whether a timer looks again when there is a token."""

    @property
    def is_taken(self) -> bool:
        """Whether as many run as may."""
        return self.running_max is not None and self.running >= self.running_max

    def wait_ms(self, now_ms: int, *, woken: bool) -> int:
        """How long the rate holds up who comes now."""
        return 0 if woken or self.bucket is None else self.bucket.wait_ms(now_ms)

    def occupy(self, now_ms: int, *, woken: bool) -> None:
        """One more runs."""
        self.running += 1
        if self.bucket is not None and not woken:
            self.bucket.take(now_ms)

    def refusal(self, now_ms: int, *, woken: bool) -> str | None:
        """What holds up who comes now, in words."""
        if self.is_taken:
            return f"{self.running} of {self.running_max} running of {self.whose}"
        if self.bucket is not None and self.wait_ms(now_ms, woken=woken):
            rate = self.bucket.rate
            per = rate.per if isinstance(rate.per, str) else f"{to_ms(rate.per)} ms"
            return f"{rate.count} per {per} have begun of {self.whose}"
        return None


class _Line(_Limit):
    """One key of one workflow: its limit, and who waits, by turn and in the order of coming."""

    def __init__(self, workflow: "_Workflow", key: str | None) -> None:
        places = workflow.places
        whose = f"{workflow.whose} for {key!r}"
        super().__init__(whose, places.running_max_per_key, places.rate_per_key)
        self.workflow = workflow
        self.key = key
        self.waiting: dict[int, OrderedDict[Ticket, int]] = {}

    def is_idle(self, now_ms: int) -> bool:
        """Whether nothing has to be remembered of it."""
        busy = self.running or self.waiting or self.is_timed
        return not busy and (self.bucket is None or self.bucket.is_full(now_ms))

    def add(self, ticket: Ticket, number: int) -> None:
        """The last of its turn."""
        self.waiting.setdefault(_turn(ticket), OrderedDict())[ticket] = number

    def remove(self, ticket: Ticket) -> None:
        """It does not wait any more."""
        turn = _turn(ticket)
        del self.waiting[turn][ticket]
        if not self.waiting[turn]:
            del self.waiting[turn]


class _Workflow(_Limit):
    """One workflow: its limit, its lines, and those lines that could go on if it may."""

    def __init__(self, name: str, places: Places) -> None:
        super().__init__(name, places.running_max, places.rate)
        self.places = places
        self.lines: dict[str | None, _Line] = {}
        self.ready: dict[int, OrderedDict[str | None, _Line]] = {t: OrderedDict() for t in _TURNS}
        self._lines_max = LINES_KEPT_MIN

    def line(self, key: str | None, now_ms: int) -> _Line:
        """The line of a key. Idle ones are forgotten whenever the number of lines has doubled."""
        if line := self.lines.get(key):
            return line
        if len(self.lines) >= self._lines_max:
            self.lines = {k: line for k, line in self.lines.items() if not line.is_idle(now_ms)}
            self._lines_max = max(LINES_KEPT_MIN, 2 * len(self.lines))
        line = self.lines[key] = _Line(self, key)
        return line


_TURNS = range(4)
"""Live and woken, live and new, bulk and woken, bulk and new: who goes first."""


def _turn(ticket: Ticket) -> int:
    return (ticket.lane == Lane.BULK) * 2 + (not ticket.woken)


def _is_woken(turn: int) -> bool:
    return turn % 2 == 0


class Gate:
    """Hands out the places of one worker. Not thread-safe."""

    def __init__(self, running_max: int, clock: Clock, call_later: CallLater) -> None:
        self._running_max = running_max
        self._clock = clock
        self._call_later = call_later
        self._workflows: dict[str, _Workflow] = {}
        self._waiting: dict[Ticket, _Line] = {}
        self._holding: dict[Ticket, _Line] = {}
        self._untold: set[Ticket] = set()
        self._numbers = count()

    @property
    def running(self) -> int:
        """How many places are taken."""
        return len(self._holding)

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._waiting)

    def enter(self, ticket: Ticket) -> str | None:
        """None: it has its place now. Otherwise the limit that it waits for, in words.

        Then `granted` is called once it has its place, in a later turn, unless it left before.
        """
        assert ticket not in self._waiting, f"{ticket.instance} stands in line already"
        assert ticket not in self._holding, f"{ticket.instance} has its place already"
        name, now_ms = ticket.instance.workflow, self._clock()
        if name not in self._workflows:
            self._workflows[name] = _Workflow(name, ticket.places or Places())
        line = self._waiting[ticket] = self._workflows[name].line(ticket.key, now_ms)
        line.add(ticket, next(self._numbers))
        self._sort(line, now_ms)
        self._hand_out(now_ms, entering=ticket)
        return None if ticket in self._holding else self._refusal(line, ticket, now_ms)

    def leave(self, ticket: Ticket) -> None:
        """It gives its place back, or leaves the line; no-op when it has neither."""
        self._untold.discard(ticket)
        now_ms = self._clock()
        if line := self._holding.pop(ticket, None):
            line.running -= 1
            line.workflow.running -= 1
            self._sort(line, now_ms)
            self._hand_out(now_ms)
        elif line := self._waiting.pop(ticket, None):
            line.remove(ticket)
            self._sort(line, now_ms)

    def _sort(self, line: _Line, now_ms: int) -> None:
        """Let a line stand among the ready ones, or aside, as its own limit says."""
        for turn, ready in line.workflow.ready.items():
            is_ready = turn in line.waiting and not line.is_taken
            if is_ready and (wait_ms := line.wait_ms(now_ms, woken=_is_woken(turn))):
                is_ready = False
                self._look_later(line, wait_ms, partial(self._sort, line))
            if not is_ready:
                ready.pop(line.key, None)
            elif line.key not in ready:
                ready[line.key] = line

    def _hand_out(self, now_ms: int, entering: Ticket | None = None) -> None:
        """Give away the places that are free."""
        while len(self._holding) < self._running_max:
            first = next(self._candidates(now_ms), None)
            if first is None:
                return
            ticket = self._grant(*first, now_ms)
            if ticket is not entering:
                self._untold.add(ticket)
                self._call_later(0, partial(self._tell, ticket))

    def _candidates(self, now_ms: int) -> Iterator[tuple[_Line, int]]:
        """For each turn the line whose first ticket came before those of other workflows."""
        for turn in _TURNS:
            lines = [
                next(iter(workflow.ready[turn].values()))
                for workflow in self._workflows.values()
                if workflow.ready[turn] and self._is_open(workflow, turn, now_ms)
            ]
            if lines:
                yield min(lines, key=lambda line: next(iter(line.waiting[turn].values()))), turn

    def _is_open(self, workflow: _Workflow, turn: int, now_ms: int) -> bool:
        if workflow.is_taken:
            return False
        wait_ms = workflow.wait_ms(now_ms, woken=_is_woken(turn))
        if wait_ms:
            self._look_later(workflow, wait_ms)
        return not wait_ms

    def _grant(self, line: _Line, turn: int, now_ms: int) -> Ticket:
        """The first in line gets a place, and its key is the last to have its next turn."""
        ticket = next(iter(line.waiting[turn]))
        line.remove(ticket)
        del self._waiting[ticket]
        self._holding[ticket] = line
        line.occupy(now_ms, woken=ticket.woken)
        line.workflow.occupy(now_ms, woken=ticket.woken)
        line.workflow.ready[turn].move_to_end(line.key)
        self._sort(line, now_ms)
        return ticket

    def _tell(self, ticket: Ticket) -> None:
        if ticket in self._untold:
            self._untold.remove(ticket)
            ticket.granted()

    def _look_later(
        self, limit: _Limit, wait_ms: int, first: Callable[[int], None] | None = None
    ) -> None:
        """Hand out again when this limit has a token, and let its line be sorted `first`."""
        if limit.is_timed:
            return
        limit.is_timed = True

        def due() -> None:
            limit.is_timed = False
            now_ms = self._clock()
            if first is not None:
                first(now_ms)
            self._hand_out(now_ms)

        self._call_later(wait_ms, due)

    def _refusal(self, line: _Line, ticket: Ticket, now_ms: int) -> str:
        if self.running >= self._running_max:
            return f"{self.running} of {self._running_max} running in this worker"
        for limit in (line.workflow, line):
            if refusal := limit.refusal(now_ms, woken=ticket.woken):
                return refusal
        raise AssertionError(f"{ticket.instance} waits for nothing")
