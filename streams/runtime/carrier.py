"""Carries the instances of one active partition: their executions, and what these ask for.

An instance is in memory while it runs. One that only waits stays ready for a while, then is
hibernated: nothing of it is left but its rows and an alarm, and it is replayed when it is woken.
"""

from collections import OrderedDict
from collections.abc import Sequence

import structlog

from stepwell.schemas import codec
from stepwell.schemas.commands import (
    EventReceived,
    PauseRequested,
    RestartRequested,
    ResumeRequested,
    StepKind,
)
from stepwell.schemas.journal import (
    AttemptFailed,
    AttemptStarted,
    InstanceContinued,
    InstanceCreated,
    InstanceErrored,
    InstanceIdled,
    InstanceKey,
    InstancePaused,
    InstancePurged,
    InstanceRecord,
    InstanceResumed,
    InstanceStarted,
    StepFailed,
    StepSucceeded,
    TimerFired,
    WaitTimedOut,
)
from stepwell.schemas.parts import ErrorInfo
from stepwell.schemas.values import NotSerialisable
from stepwell.streams.engine.effects import (
    CancelStep,
    Effect,
    RunStep,
    SetTimer,
    StartChild,
    StartSleep,
    StartWait,
)
from stepwell.streams.engine.errors import Diverged, ResultTooLarge, describe_error
from stepwell.streams.engine.execution import Execution
from stepwell.streams.engine.history import History
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import InstanceState, Status
from stepwell.streams.runtime.alarms import Alarms, Due
from stepwell.streams.runtime.live import Live
from stepwell.streams.runtime.near_limits import STEPS
from stepwell.streams.runtime.recording import fitting, record_of
from stepwell.streams.runtime.relatives import child_cancelled, child_created
from stepwell.streams.runtime.rows import (
    DIVERGED,
    QUARANTINED,
    UNKNOWN_WORKFLOW,
    Header,
    Rows,
    load,
)
from stepwell.streams.runtime.starts import Stamp, Starts
from stepwell.streams.runtime.surroundings import Surroundings
from stepwell.streams.spans import Run

log = structlog.get_logger(__name__)

LOST_MAX = 3
"""A step whose worker was lost so often while nothing else was suspected is not run again."""


class Carrier:
    """The executions of one partition, from its activation until it is fenced or given up."""

    def __init__(self, partition: int, rows: Rows, around: Surroundings) -> None:
        self._partition = partition
        self._rows = rows
        self._around = around
        self._live: dict[bytes, Live] = {}
        self._idle: OrderedDict[bytes, None] = OrderedDict()
        self.starts = Starts(partition, around, self._granted)
        self.alarms = Alarms(around.clock, around.call_later, self._ring)

    def __len__(self) -> int:
        return len(self._live)

    def begin(self, epoch: int, claims: Sequence[int]) -> None:
        """The partition is ours, and was claimed at these offsets before."""
        self.starts.begin(epoch, claims)

    def stop(self, *, cancel_bodies: bool) -> None:
        """Forget every instance; bodies that end all the same report to nobody."""
        self.starts.end()
        self.alarms.stop()
        for live in list(self._live.values()):
            if not cancel_bodies:  # the caller does, and waits for their end
                live.submitted.clear()
            self._drop(live)

    def state(self, key: bytes) -> InstanceState | None:
        """The state of an instance that is in memory."""
        live = self._live.get(key)
        return live.state if live else None

    def created(self, key: bytes) -> InstanceCreated | None:
        """The creation of an instance that is in memory."""
        live = self._live.get(key)
        return live.created if live else None

    def wake_at_ms(self, key: bytes) -> int | None:
        """When the first timer of an instance in memory is due."""
        live = self._live.get(key)
        timers = live.execution.outstanding() if live else []
        return min((it.at_ms for it in timers if isinstance(it, SetTimer)), default=None)

    # --- records ------------------------------------------------------------------------------

    def advance(self, key: bytes, state: InstanceState, record: InstanceRecord) -> None:
        """An accepted record of an instance that has not ended; its rows are written."""
        live = self._live.get(key)
        if isinstance(record, InstanceCreated):
            if state.run == state.offset:  # otherwise it waits until this run has ended
                self.carry(key, History.of(state, record), woken=False)
        elif isinstance(record, RestartRequested | InstanceContinued):
            self.drop(key)
            self.carry_on(key)
        elif isinstance(record, InstancePaused):
            self.drop(key)
        elif live is not None:
            self._move(live, record)
        elif state.status is not Status.PAUSED:
            self.carry_on(key)

    def carry_on(self, key: bytes) -> None:
        """Replay an instance from its rows; what it still waits for is done now."""
        history = load(self._rows, key)
        if history is None:  # a frozen worker that is no owner any more wrote its header late
            self._rows.delete_header(key)
        else:
            self.carry(key, history, woken=True)

    def awaited_children(self, key: bytes, before: int) -> list[StartChild]:
        """The children that an instance waited for before an offset, in memory or not."""
        live = self._live.get(key)
        effects = live.execution.outstanding() if live else self.replayed(key, before)
        return [it for it in effects if isinstance(it, StartChild) and it.awaited]

    def replayed(self, key: bytes, before: int | None = None) -> Sequence[Effect]:
        """What an instance that is not in memory asks for, without doing it."""
        name, history = InstanceKey.decode(key), load(self._rows, key, before=before)
        workflow = self._around.workflow(name.workflow)
        if workflow is None or history is None:
            return ()
        execution = Execution(workflow, history.run(name))
        try:
            return execution.replay(history.records)
        except Diverged:
            return ()
        finally:
            execution.close()

    def drop(self, key: bytes) -> None:
        """Forget an instance and cancel its bodies."""
        if live := self._live.get(key):
            self._drop(live)
        else:
            self.starts.give_up(key)

    def _move(self, live: Live, record: InstanceRecord) -> None:
        match record:
            case PauseRequested():
                self.starts.withdraw(live)
                self._settle(live)
            case ResumeRequested() | InstanceResumed() | InstanceStarted():
                self._obey(live, live.execution.outstanding())
            case AttemptStarted():
                key = StepKey(record.step, record.occurrence, record.step_kind)
                self.starts.run_alone(live, key)
            case InstanceIdled():
                self._rest(live)
            case _:
                self._deliver(live, record)

    def _deliver(self, live: Live, record: InstanceRecord) -> None:
        self._idle.pop(live.key, None)
        if isinstance(record, StepSucceeded | StepFailed | AttemptFailed):
            self.starts.ended(live, StepKey(record.step, record.occurrence, record.step_kind))
        if isinstance(record, EventReceived):
            live.event_offsets.append(live.state.offset)
        try:
            effects = live.execution.deliver(record)
        except Diverged as error:
            self._pause(live.name, live.state, DIVERGED, str(error))
        else:
            self._obey(live, effects)

    def carry(self, key: bytes, history: History, *, woken: bool) -> None:
        """Replay an instance from its history; `woken` says that it has run before."""
        state, created, name = history.state, history.created, InstanceKey.decode(key)
        assert state is not None
        assert created is not None
        workflow = self._around.workflow(name.workflow)
        if workflow is None:
            detail = f"this worker has no workflow {name.workflow!r}: restart it with it"
            self._pause(name, state, UNKNOWN_WORKFLOW, detail)
            return
        if lost := [str(step) for step, it in state.steps.items() if it.lost >= LOST_MAX]:
            detail = f"step {lost[0]} has taken its worker down {LOST_MAX} times while it ran alone"
            self._pause(name, state, QUARANTINED, detail)
            return
        execution = Execution(workflow, history.run(name))
        try:
            effects = execution.replay(history.records)
        except Diverged as error:
            execution.close()
            self._pause(name, state, DIVERGED, str(error))
            return
        if state.status is Status.PAUSED:  # the code agrees with the history again
            execution.close()
            self._append(name, InstanceResumed(*self._stamp(state), "replays again"))
            return
        live = self._live[key] = Live(key, name, state, created, execution, woken)
        self.starts.unpark(live)
        live.event_offsets = history.event_offsets
        self._obey(live, effects)
        if state.status is Status.WAITING:
            self._rest(live)

    def _pause(self, name: InstanceKey, state: InstanceState, reason: str, detail: str) -> None:
        self.drop(name.encode())
        if state.status is not Status.PAUSED:
            log.warning("paused", instance=str(name), reason=reason, detail=detail)
            self._append(name, InstancePaused(*self._stamp(state), reason, detail))

    def _drop(self, live: Live) -> None:
        del self._live[live.key]
        self._idle.pop(live.key, None)
        self.starts.forget(live)
        live.execution.close()

    def _granted(self, key: bytes, run: int) -> None:
        live, stamp = self._live.get(key), (run, self.starts.epoch, self._around.clock())
        if live is None:
            self.starts.call(key)
        else:
            live.placed = True
        self._append(InstanceKey.decode(key), InstanceStarted(*stamp))
        if live is not None and live.state.status is Status.RUNNING:
            self._obey(live, live.execution.outstanding())  # that it was queued was refused

    def _rest(self, live: Live) -> None:
        """It only waits: it is kept ready until too many others are."""
        self._idle[live.key] = None
        while len(self._idle) > self._around.in_memory_max:
            key, _ = self._idle.popitem(last=False)
            at_ms = self.wake_at_ms(key)
            if at_ms is not None and at_ms <= self._around.clock():
                continue  # its timer is ringing: it is about to go on
            if at_ms is not None:
                self.alarms.set(at_ms, key)
            self.drop(key)

    # --- effects ------------------------------------------------------------------------------

    def _obey(self, live: Live, effects: Sequence[Effect]) -> None:
        if (steps := live.execution.steps).is_near:
            self._around.near_limits.tell(live.key, STEPS, steps.asked, steps.allowed)
        holding = live.state.status is Status.WAITING_FOR_PAUSE
        for effect in effects:
            match effect:
                case SetTimer():
                    self.alarms.set(effect.at_ms, live.key, effect.key)
                case CancelStep():
                    self._cancel(live, effect)
                case RunStep() | StartSleep() | StartWait() | StartChild() if holding:
                    pass  # asked for again when it goes on
                case RunStep():
                    self.starts.submit(live, effect)
                case StartChild():
                    self._start_child(live, effect)
                case _:
                    self._record(live, effect)
        self._settle(live)

    def _settle(self, live: Live) -> None:
        """Say so when nothing runs any more."""
        if live.state.status is Status.WAITING_FOR_PAUSE:
            if not live.submitted:
                stamp = self._stamp(live.state)
                self._append(live.name, InstancePaused(*stamp, "requested", "as requested"))
        elif live.execution.idle:
            self.starts.leave(live)
            status, moved = live.state.status, live.state.moved
            if status in (Status.RUNNING, Status.QUEUED) and live.idled_after != moved:
                live.idled_after = moved
                self._append(live.name, InstanceIdled(*self._stamp(live.state), moved))
        elif self._only_stands_in_line(live):
            self.starts.park(live)
            self._drop(live)

    def _only_stands_in_line(self, live: Live) -> bool:
        queued = live.state.status is Status.QUEUED and live.ticket is not None
        busy = live.placed or live.submitted or live.suspected
        return queued and not busy and self.wake_at_ms(live.key) is None

    def _record(self, live: Live, effect: Effect) -> None:
        record = record_of(effect, self._stamp(live.state), live)
        try:
            raw = fitting(codec.encode(record))
        except (NotSerialisable, ResultTooLarge) as error:
            self._fail(live, type(record).__name__, error)
        else:
            self._around.append(self._partition, live.key, raw)

    def _start_child(self, live: Live, effect: StartChild) -> None:
        created, run, now_ms = live.created, live.state.run, self._around.clock()
        trace = created.trace and self._around.tracing.child(Run(created.trace, live.name, run))
        try:
            key, raw = child_created(
                effect, live.name, run, lane=created.lane, at_ms=now_ms, trace=trace
            )
            self._around.append_instance(key, fitting(raw))
        except (NotSerialisable, ResultTooLarge) as error:
            self._fail(live, f"the parameters of {effect.key}", error)

    def _fail(self, live: Live, what: str, error: Exception) -> None:
        """What the code asks to be recorded cannot be: that ends the instance, and says so."""
        info = describe_error(error)
        info = ErrorInfo(info.name, f"{what}: {info.message}")
        self._append(live.name, InstanceErrored(*self._stamp(live.state), info))

    def _cancel(self, live: Live, effect: CancelStep) -> None:
        self.starts.cancel(live, effect.key)
        if message := child_cancelled(effect, str(live.name), self._around.clock()):
            self._around.append_instance(*message)

    # --- time ---------------------------------------------------------------------------------

    def _ring(self, due: Due) -> None:
        at_ms, key, step = due
        live = self._live.get(key)
        if live is None:
            self._look_at(key, at_ms)
        elif step is not None and (due_ms := live.execution.due_ms(step)) is not None:
            if due_ms <= self._around.clock():
                run, epoch, now_ms = self._stamp(live.state)
                kind = TimerFired if step.kind == StepKind.SLEEP else WaitTimedOut
                self._append(live.name, kind(run, step.name, step.occurrence, epoch, now_ms))
            else:
                self.alarms.set(due_ms, key, step)

    def _look_at(self, key: bytes, at_ms: int) -> None:
        """Something may be due for an instance that is not in memory."""
        raw = self._rows.header(key)
        header = Header.decode(raw) if raw else None
        if header is None or header.wake_at_ms is None or header.wake_at_ms > at_ms:
            return
        name, now_ms = InstanceKey.decode(key), self._around.clock()
        if header.status is Status.WAITING:
            self.carry_on(key)
        elif header.status is Status.QUEUED:
            self._append(name, InstanceStarted(header.run, self.starts.epoch, now_ms))
        elif header.status.terminal:
            self._append(name, InstancePurged(header.run, self.starts.epoch, now_ms))

    def _stamp(self, state: InstanceState) -> Stamp:
        return state.run, self.starts.epoch, self._around.clock()

    def _append(self, name: InstanceKey, record: InstanceRecord) -> None:
        self._around.append(self._partition, name.encode(), codec.encode(record))
