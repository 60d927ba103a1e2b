"""Starts the step bodies of one partition: those that have a place, and suspects few at a time."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from stepwell.schemas import codec
from stepwell.schemas.journal import (
    AttemptStarted,
    InstanceCreated,
    InstanceErrored,
    InstanceQueued,
    InstanceRecord,
)
from stepwell.schemas.parts import ErrorInfo, Lane
from stepwell.streams.engine.effects import RunStep
from stepwell.streams.engine.errors import describe_error
from stepwell.streams.engine.names import StepKey
from stepwell.streams.runtime.admission import Ticket
from stepwell.streams.runtime.bodies import Job
from stepwell.streams.runtime.live import Live
from stepwell.streams.runtime.surroundings import Surroundings

SUSPECT_AFTER_CLAIMS = 3
"""An instance that did not move while its partition was claimed so often may be to blame."""

Stamp: TypeAlias = tuple[int, int, int]
"""Run, epoch and time: how a worker's record begins."""


class Starts:
    """Knows which bodies were asked for; their owner is the `Starts` object."""

    def __init__(
        self, partition: int, around: Surroundings, granted: Callable[[bytes, int], None]
    ) -> None:
        """`granted` is told the key and the run of what stood in line and has its place now."""
        self._partition = partition
        self._around = around
        self._granted = granted
        self._parked: dict[bytes, Ticket] = {}
        """Instances that stand in line and are not in memory."""
        self._placed: set[bytes] = set()
        """Those of them whose turn it is."""
        self.epoch = -1
        """Of the claim under which the partition is ours."""
        self._claims: Sequence[int] = ()
        self.active = False

    def begin(self, epoch: int, claims: Sequence[int]) -> None:
        """The partition is ours, and was claimed at these offsets before."""
        self.epoch, self._claims, self.active = epoch, claims, True

    def stamp(self, live: Live) -> Stamp:
        """How a record of this instance begins."""
        return live.state.run, self.epoch, self._around.clock()

    def submit(self, live: Live, step: RunStep) -> None:
        """Run a body as soon as it may; no-op when it is on its way."""
        key = step.key
        if key in live.submitted or key in live.suspected:
            return
        if self._is_suspect(live):
            live.suspected[key] = None
            start = partial(self._start_suspect, live, step)
            deaths = known.lost if (known := live.state.steps.get(key)) else 0
            now_ms = self._around.clock()
            self._around.isolation.enter((id(live), key), start, now_ms, deaths)
        elif self._has_place(live):
            self._run(live, step)

    def ended(self, live: Live, key: StepKey) -> None:
        """The record of a body's end has been read."""
        live.submitted.pop(key, None)
        self._leave_isolation(live, key)

    def cancel(self, live: Live, key: StepKey) -> None:
        """Nobody wants a body any more; no-op when it was not asked for."""
        if key in live.submitted or key in live.suspected:
            self._around.bodies.cancel(self, live.name, key)
            self.ended(live, key)

    def withdraw(self, live: Live) -> None:
        """Take back what has not started."""
        for key in list(live.submitted | live.suspected):
            if key not in live.submitted or self._around.bodies.withdraw(self, live.name, key):
                self.ended(live, key)

    def run_alone(self, live: Live, key: StepKey) -> None:
        """The start of a suspect is on record."""
        for effect in live.execution.outstanding():
            if isinstance(effect, RunStep) and effect.key == key and key in live.suspected:
                self._run(live, effect)

    def forget(self, live: Live) -> None:
        """Cancel all of an instance."""
        for key in list(live.submitted | live.suspected):
            self.cancel(live, key)
        self.leave(live)

    def leave(self, live: Live) -> None:
        """An instance that only waits needs no place."""
        ticket, live.ticket, live.placed, live.woken = live.ticket, None, False, True
        if ticket is not None:
            self._around.gate.leave(ticket)

    def park(self, live: Live) -> None:
        """It leaves the memory, but not the line."""
        assert live.ticket is not None
        self._parked[live.key], live.ticket = live.ticket, None

    def unpark(self, live: Live) -> None:
        """It is in memory again; no-op when it was not parked."""
        live.ticket = self._parked.pop(live.key, None)
        live.placed = live.key in self._placed
        self._placed.discard(live.key)

    def call(self, key: bytes) -> None:
        """The turn of a parked instance has come."""
        self._placed.add(key)

    def give_up(self, key: bytes) -> None:
        """A parked instance wants no place any more; no-op when it was not parked."""
        self._placed.discard(key)
        if ticket := self._parked.pop(key, None):
            self._around.gate.leave(ticket)

    def end(self) -> None:
        """The partition is not ours any more."""
        self.active = False
        for key in list(self._parked):
            self.give_up(key)

    def append(self, live: Live, record: InstanceRecord) -> None:
        """Append a record of an instance; raises `NotSerialisable`."""
        self._around.append(self._partition, live.key, codec.encode(record))

    def _is_suspect(self, live: Live) -> bool:
        moved = live.state.moved
        return sum(claim > moved for claim in self._claims) >= SUSPECT_AFTER_CLAIMS

    def _start_suspect(self, live: Live, step: RunStep, is_alone: bool) -> None:
        """If it runs alone its start is recorded first, and it runs once that is read.

        Of several nobody could say which one took the worker down: nothing is held against them.
        """
        if not is_alone:
            if self._has_place(live):
                self._run(live, step)
            else:  # it stands in line like any other
                self._leave_isolation(live, step.key)
            return
        (name, occurrence, kind), (run, epoch, now_ms) = step.key, self.stamp(live)
        attempt = step.attempt
        self.append(live, AttemptStarted(run, name, occurrence, attempt, epoch, now_ms, kind))

    def _leave_isolation(self, live: Live, key: StepKey) -> None:
        if key in live.suspected:
            del live.suspected[key]
            self._around.isolation.leave((id(live), key), self._around.clock())

    def _run(self, live: Live, step: RunStep) -> None:
        live.submitted[step.key] = None
        run, created = live.state.run, live.created
        lane, trace = _lane(created), created.trace
        job = Job(self, live.name, run, self.epoch, step, self._report, lane, trace)
        self._around.bodies.submit(job)

    def _report(self, job: Job, _record: InstanceRecord, raw: bytes) -> None:
        if self.active:
            self._around.append(self._partition, job.instance.encode(), raw)

    def _has_place(self, live: Live) -> bool:
        if live.placed or live.ticket is not None:
            return live.placed
        workflow = self._around.workflow(live.name.workflow)
        places = workflow.places if workflow else None
        try:
            key = str(places.key(live.created.params)) if places and places.key else None
        except Exception as error:  # noqa: BLE001 - the edge to user code: the key of a limit
            info = describe_error(error)
            info = ErrorInfo(info.name, f"the key of its places: {info.message}")
            self.append(live, InstanceErrored(*self.stamp(live), info))
            return False
        live.ticket = Ticket(
            instance=live.name,
            places=places,
            key=key,
            lane=_lane(live.created),
            woken=live.woken,
            granted=partial(self._granted, live.key, live.state.run),
        )
        reason = self._around.gate.enter(live.ticket)
        live.placed = reason is None
        if reason is not None:
            self.append(live, InstanceQueued(*self.stamp(live), reason))
        return live.placed


def _lane(created: InstanceCreated) -> Lane:
    return Lane.BULK if created.lane == Lane.BULK else Lane.LIVE
