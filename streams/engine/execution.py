"""One run of one instance being carried out: a loop, a coroutine, and the calls it waits for.

Records are delivered one at a time, in journal order, and the loop is drained after each. Live
execution and replay are therefore the same computation.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from stepwell.schemas.commands import (
    CancelRequested,
    EventReceived,
    ResumeRequested,
    StepKind,
    TerminateRequested,
)
from stepwell.schemas.journal import (
    AttemptFailed,
    AttemptStarted,
    ChildReported,
    InstanceIdled,
    InstancePaused,
    InstanceQueued,
    InstanceRecord,
    InstanceResumed,
    PatchMarked,
    SleepStarted,
    StepFailed,
    StepSucceeded,
    StreamChunk,
    TimerFired,
    WaitStarted,
    WaitTimedOut,
)
from stepwell.schemas.parts import ErrorInfo, Rollback
from stepwell.streams.engine.calls import BodyCall, Call, ChildCall, TimedCall, WaitCall, due
from stepwell.streams.engine.compensation import Compensation, RollbackContext
from stepwell.streams.engine.effects import (
    CancelStep,
    Complete,
    Continue,
    Effect,
    Fail,
    MarkPatch,
    Outcome,
    StartWait,
    Terminate,
)
from stepwell.streams.engine.errors import (
    ContinueAsNew,
    Diverged,
    RollingBack,
    StepError,
    WaitsForNothing,
    describe_error,
)
from stepwell.streams.engine.limits import STEPS_PER_INSTANCE_MAX
from stepwell.streams.engine.loop import CancelledError, DeterministicLoop
from stepwell.streams.engine.mailbox import Mailbox
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.open_calls import OpenCalls
from stepwell.streams.engine.run import Run, workflow_event
from stepwell.streams.engine.settling import (
    settle_child,
    settle_event,
    settle_sleep,
    settle_step,
    settle_timeout,
)
from stepwell.streams.engine.steps import Steps
from stepwell.streams.engine.workflow import Workflow

if TYPE_CHECKING:
    from asyncio import Task


# Records that show that code had run before them.
_ASKED_FOR = (
    AttemptFailed,
    AttemptStarted,
    ChildReported,
    InstanceIdled,
    InstanceQueued,
    PatchMarked,
    SleepStarted,
    StepFailed,
    StepSucceeded,
    StreamChunk,
    TimerFired,
    WaitStarted,
    WaitTimedOut,
)

# While an instance is carried these are not delivered, so code must not be able to tell.
_UNSEEN = (InstancePaused, InstanceResumed, ResumeRequested)


class Execution:
    """Carries one run of one instance. Not thread-safe; knows neither clock nor storage."""

    def __init__(self, workflow: Workflow, run: Run) -> None:
        self.run = run
        self.now_ms = max(run.began_ms, run.created.at_ms)
        """The time of the last record that was delivered: what workflow code takes for now."""
        self.loop = DeterministicLoop()  # type: ignore[abstract] # the rest is set by name
        self._calls = OpenCalls(workflow.steps_max or STEPS_PER_INSTANCE_MAX)
        self.steps = self._calls.steps
        """How many it has asked for."""
        self._abandoned: dict[StepKey, CancelStep] = {}
        """Children that are to be cancelled; it is repeated until they have reported."""
        self._mailbox: Mailbox[WaitCall] = Mailbox()
        self._patches: dict[str, int] = {}
        self._patches_unrecorded: dict[str, int] = {}
        self._replaying = False
        self._effects: list[Effect] = []
        self._outcome: Outcome | None = None
        self._ending: TerminateRequested | CancelRequested | None = None
        self._rolling_back = False
        self._compensations: list[Compensation] = []
        self._paused_at_ms: int | None = None
        self._main: Task[Any] = self.loop.create_task(self._run(workflow))

    # --- driven by the runtime ----------------------------------------------------------------

    def start(self) -> list[Effect]:
        """Run up to the first waits; call it once, before anything else."""
        return self._drain()

    def replay(self, records: Sequence[InstanceRecord]) -> list[Effect]:
        """Start, deliver the recorded past, and give back only what is still to be done."""
        asked = [position for position, it in enumerate(records) if isinstance(it, _ASKED_FOR)]
        last = asked[-1] if asked else -1
        self.recall(records if asked else ())
        self.start()
        for position, record in enumerate(records):
            self._replaying = position < last
            self.deliver(record)
        return self.outstanding()

    def recall(self, past: Sequence[InstanceRecord]) -> None:
        """What is delivered is of a recorded past: of patches it has only those marked there."""
        self._patches = {it.name: it.call for it in past if isinstance(it, PatchMarked)}
        self._replaying = bool(past)

    def deliver(self, record: InstanceRecord) -> list[Effect]:
        """Hand over one record and run on; raises `Diverged` when nobody asked for its step."""
        deliver = self._delivered.get(type(record))
        if deliver is None:
            return []
        if not isinstance(record, _UNSEEN):
            self.now_ms = max(self.now_ms, record.at_ms)
        return deliver(self, record)

    def outstanding(self) -> list[Effect]:
        """Everything that this execution waits for now, as effects."""
        abandoned: list[Effect] = list(self._abandoned.values())
        if self._outcome is not None:
            return [*abandoned, self._outcome]
        marks: list[Effect] = [MarkPatch(*mark) for mark in self._patches_unrecorded.items()]
        return abandoned + marks + [effect for call in self._calls if (effect := call.effect())]

    @property
    def idle(self) -> bool:
        """Whether it waits for timers, events and children only."""
        return self._outcome is None and not self._calls.bodies

    def due_ms(self, key: StepKey) -> int | None:
        """When the timer of an open sleep or wait is due; None when it has none."""
        call = self._calls.get(key)
        return call.due_ms if isinstance(call, TimedCall) else None

    def close(self) -> None:
        """Drop the coroutines; `finally` blocks run, but can reach nothing."""
        self._calls.clear()
        self._rolling_back = True
        self._outcome = self._outcome or Complete(None)
        self.loop.cancel_tasks()
        self.loop.drain()

    # --- called by workflow code, through `Steps` -----------------------------------------------

    def occurrence(self, kind: StepKind, name: str) -> tuple[StepKey, int]:
        """The identity of a step that is asked for now, and its place; checks the limits."""
        if self._rolling_back:
            raise RollingBack(name)
        return self._calls.identify(kind, name)

    async def wait(self, call: Call) -> Any:
        """Ask for a step and wait for its record."""
        self._calls.add(call)
        self._effects.append(call.effect())  # type: ignore[arg-type] # a new call has one
        if isinstance(call, WaitCall) and (event := self._mailbox.wait(call)):
            self._calls.remove(call)
            settle_event(call, event)
        try:
            return await call.future
        finally:
            if self._calls.get(call.key) is call:
                self._withdraw(call)

    def patched(self, name: str) -> bool:
        """`Step.patched`: whether this place was first reached by code that has the patch."""
        if (marked := self._patches.get(name)) is not None:
            return self._calls.index >= marked
        if self._replaying:
            return False
        index = self._calls.index
        self._patches[name] = self._patches_unrecorded[name] = index
        self._effects.append(MarkPatch(name, index))
        return True

    def on_rollback(self, compensation: Compensation) -> None:
        """Run this when the run fails: the latest first."""
        self._compensations.append(compensation)

    # --- inside -------------------------------------------------------------------------------

    async def _run(self, workflow: Workflow) -> None:
        error: ErrorInfo | None = None
        gave_way = False
        outcome: Outcome = Complete(None)
        try:
            outcome = Complete(await workflow.run(workflow_event(workflow, self.run), Steps(self)))
        except ContinueAsNew as request:
            outcome = Continue(request.params, *self._mailbox.left)
        except CancelledError as cancelled:
            error = describe_error(cancelled)
            gave_way = self._ending is not None
        except Exception as raised:  # noqa: BLE001 - the edge to user code
            error = describe_error(raised)
        ending = self._ending
        if isinstance(ending, TerminateRequested):
            outcome = Terminate(ending.reason, await self._roll_back(None))
        elif ending is not None and gave_way:
            outcome = Terminate(ending.reason)
        elif error is not None:
            outcome = Fail(error, await self._roll_back(error))
        if self._outcome is None:
            self._outcome = outcome

    async def _roll_back(self, error: ErrorInfo | None) -> Rollback | None:
        """Run the handlers, the one whose step started last first, until one fails."""
        self._rolling_back = True
        for call in list(self._calls):
            self._withdraw(call)
        if not self._compensations or self._outcome is not None:
            return None
        for it in reversed(self._compensations):
            name, occurrence, _ = it.call.key
            context = RollbackContext(name, occurrence, error, it.output())
            key, index = self._calls.identify_rollback(name, occurrence)
            call = BodyCall(
                key=key,
                index=index,
                future=self.loop.create_future(),
                function=it.handler,
                args=(context,),
                options=it.options,
            )
            try:
                await self.wait(call)
            except StepError as failed:
                return Rollback(complete=False, error=ErrorInfo(failed.error_name, str(failed)))
        return Rollback(complete=True)

    def _call(self, record: Any, kind: str) -> Call | None:
        """The open call of a record's step; None when it was cancelled or has finished."""
        key = StepKey(record.step, record.occurrence, kind)
        call = self._calls.get(key)
        if call is None and not self._calls.was_asked_for(key):
            finished = "nothing: it has finished" if self._outcome else ""
            raise Diverged(finished or self._calls.in_words(), f"step {str(key)!r}")
        return call

    def _step_ended(self, record: StepSucceeded | StepFailed) -> list[Effect]:
        call = self._call(record, record.step_kind)
        if isinstance(call, BodyCall):
            self._calls.remove(call)
            settle_step(call, record)
        return self._drain()

    def _attempt_failed(self, record: AttemptFailed) -> list[Effect]:
        call = self._call(record, record.step_kind)
        if not isinstance(call, BodyCall):
            return []
        call.attempt, call.not_before_ms = record.attempt + 1, record.retry_at_ms
        call.chunks.clear()
        return [call.effect()]

    def _chunk(self, record: StreamChunk) -> list[Effect]:
        call = self._call(record, record.step_kind)
        if isinstance(call, BodyCall):
            del call.chunks[record.index :]  # those of an attempt that was lost
            call.chunks.append(record.data)
        return []

    def _sleep_started(self, record: SleepStarted) -> list[Effect]:
        return due(self._call(record, StepKind.SLEEP), record.wake_at_ms)

    def _wait_started(self, record: WaitStarted) -> list[Effect]:
        return due(self._call(record, StepKind.WAIT), record.timeout_at_ms)

    def _timer_fired(self, record: TimerFired) -> list[Effect]:
        if call := self._call(record, StepKind.SLEEP):
            self._calls.remove(call)
            settle_sleep(call)
        return self._drain()

    def _wait_timed_out(self, record: WaitTimedOut) -> list[Effect]:
        call = self._call(record, StepKind.WAIT)
        if isinstance(call, WaitCall):
            self._calls.remove(call)
            self._mailbox.leave(call)
            settle_timeout(call)
        return self._drain()

    def _child_reported(self, record: ChildReported) -> list[Effect]:
        call = self._call(record, StepKind.CHILD)
        if isinstance(call, ChildCall):
            self._calls.remove(call)
            settle_child(call, record)
        else:
            self._abandoned.pop(StepKey(record.step, record.occurrence, StepKind.CHILD), None)
        return self._drain()

    def _event_received(self, record: EventReceived) -> list[Effect]:
        if call := self._mailbox.offer(record):
            self._calls.remove(call)
            settle_event(call, record)
        return self._drain()

    def _end_requested(self, record: CancelRequested | TerminateRequested) -> list[Effect]:
        if not self._rolling_back:
            self._ending = record
            self._rolling_back = isinstance(record, TerminateRequested)
            self._main.cancel()
        return self._drain()

    def _paused(self, record: InstancePaused) -> list[Effect]:
        self._paused_at_ms = record.at_ms
        return []

    def _resumed(self, record: InstanceResumed | ResumeRequested) -> list[Effect]:
        if self._paused_at_ms is not None:
            for call in self._calls:
                call.shift(max(0, record.at_ms - self._paused_at_ms))
            self._paused_at_ms = None
        return self.outstanding()

    def _patch_marked(self, record: PatchMarked) -> list[Effect]:
        self._patches[record.name] = record.call
        self._patches_unrecorded.pop(record.name, None)
        return []

    def _withdraw(self, call: Call) -> None:
        """Nobody waits for this call any more."""
        self._calls.remove(call)
        if isinstance(call, WaitCall):
            self._mailbox.leave(call)
        cancel = CancelStep(call.key)
        if isinstance(call, ChildCall) and call.awaited:
            cancel = CancelStep(call.key, (call.workflow, call.instance))
            self._abandoned[call.key] = cancel
        self._effects.append(cancel)

    def _drain(self) -> list[Effect]:
        finished_before = self._outcome is not None
        self.loop.drain()
        if self._outcome is None and not self._calls:
            self._outcome = Fail(describe_error(WaitsForNothing()))
        effects, self._effects = self._effects, []
        if self._outcome is not None and not finished_before:
            kept = CancelStep | MarkPatch | StartWait  # a wait may have had its event already
            effects = [effect for effect in effects if isinstance(effect, kept)]
            for call in list(self._calls):
                self._withdraw(call)
            effects += self._effects
            self._effects = []
            effects.append(self._outcome)
        return effects

    # Kinds of records that are not here say nothing to workflow code.
    _delivered: ClassVar[dict[type[InstanceRecord], Callable[[Any, Any], list[Effect]]]] = {
        StepSucceeded: _step_ended,
        StepFailed: _step_ended,
        AttemptFailed: _attempt_failed,
        StreamChunk: _chunk,
        SleepStarted: _sleep_started,
        WaitStarted: _wait_started,
        TimerFired: _timer_fired,
        WaitTimedOut: _wait_timed_out,
        ChildReported: _child_reported,
        EventReceived: _event_received,
        CancelRequested: _end_requested,
        TerminateRequested: _end_requested,
        InstancePaused: _paused,
        InstanceResumed: _resumed,
        ResumeRequested: _resumed,
        PatchMarked: _patch_marked,
    }
