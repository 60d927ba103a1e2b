"""One instance being carried out: a loop, a coroutine, and the steps that it waits for.

Records are delivered one at a time, in journal order, and the loop is drained after each. Live
execution and replay are therefore the same computation.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stepwell.schemas.journal import (
    AttemptFailed,
    ErrorInfo,
    InstanceCreated,
    InstanceKey,
    StepRecord,
    StepSucceeded,
)
from stepwell.streams.engine.durations import Duration
from stepwell.streams.engine.effects import CancelStep, Complete, Effect, Fail, RunStep
from stepwell.streams.engine.errors import Diverged, StepError, StepLimitExceeded
from stepwell.streams.engine.limits import ERROR_MESSAGE_LENGTH_MAX, STEPS_PER_INSTANCE_MAX
from stepwell.streams.engine.loop import CancelledError, DeterministicLoop
from stepwell.streams.engine.names import StepKey, check_step_name
from stepwell.streams.engine.retry import Retries, StepOptions, step_options
from stepwell.streams.engine.typed import WrongShape, payload_decoder, result_decoder
from stepwell.streams.engine.workflow import Workflow, WorkflowEvent

if TYPE_CHECKING:
    from asyncio import Future, Task


@dataclass(slots=True)
class _Call:
    """A step that was asked for and has not finished."""

    key: StepKey
    function: Callable[..., Any]
    args: tuple[Any, ...]
    options: StepOptions
    future: "Future[Any]"
    attempt: int = 1
    not_before_ms: int = 0

    def effect(self) -> RunStep:
        return RunStep(
            self.key, self.function, self.args, self.options, self.attempt, self.not_before_ms
        )


class Execution:
    """Carries one run of one instance. Not thread-safe; knows neither clock nor storage."""

    def __init__(
        self,
        workflow: Workflow,
        key: InstanceKey,
        created: InstanceCreated,
        *,
        steps_max: int = STEPS_PER_INSTANCE_MAX,
    ) -> None:
        self._loop = DeterministicLoop()  # type: ignore[abstract] # the rest is set by name
        self._counts: dict[str, int] = {}
        self._calls: dict[StepKey, _Call] = {}
        self._effects: list[Effect] = []
        self._steps = 0
        self._steps_max = steps_max
        self._outcome: Complete | Fail | None = None
        self._main: Task[Any] = self._loop.create_task(self._run(workflow, key, created))

    def start(self) -> list[Effect]:
        """Run up to the first waits; call it once, before anything else."""
        return self._drain()

    def deliver(self, record: StepRecord) -> list[Effect]:
        """Hand over one record and run on; raises `Diverged` when nobody asked for its step."""
        key = StepKey(record.step, record.occurrence)
        call = self._calls.get(key)
        if call is None:
            if record.occurrence > self._counts.get(record.step, 0):
                raise Diverged(self._expected(), f"step {str(key)!r}")
            return []  # cancelled, or finished by an earlier record
        if isinstance(record, AttemptFailed):
            call.attempt = record.attempt + 1
            call.not_before_ms = record.retry_at_ms
            return [call.effect()]
        del self._calls[key]
        if not call.future.done():
            self._settle(call, record)
        return self._drain()

    def replay(self, records: Iterable[StepRecord]) -> list[Effect]:
        """Start, deliver the recorded past, and give back only what is still to be done."""
        self.start()
        for record in records:
            self.deliver(record)
        return self.outstanding()

    def outstanding(self) -> list[Effect]:
        """Everything that this execution waits for now, as effects."""
        if self._outcome is not None:
            return [self._outcome]
        return [call.effect() for call in self._calls.values()]

    def close(self) -> None:
        """Drop the coroutines; `finally` blocks run, but can reach nothing."""
        self._calls.clear()
        self._outcome = self._outcome or Complete(None)
        self._main.cancel()
        self._loop.drain()

    async def do(
        self,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        retries: Retries | None = None,
        timeout: Duration | None = None,
    ) -> Any:
        """`Step.do`: ask for the step and wait for its record."""
        options = step_options(retries, timeout)
        occurrence = self._counts.get(name, 0) + 1
        if occurrence == 1:
            check_step_name(name)
        self._steps += 1
        if self._steps > self._steps_max:
            raise StepLimitExceeded(self._steps_max)
        self._counts[name] = occurrence
        key = StepKey(name, occurrence)
        call = _Call(key, function, args, options, self._loop.create_future())
        self._calls[key] = call
        self._effects.append(call.effect())
        try:
            return await call.future
        finally:
            if self._calls.pop(key, None) is not None:
                self._effects.append(CancelStep(key))

    async def _run(self, workflow: Workflow, key: InstanceKey, created: InstanceCreated) -> None:
        try:
            payload = payload_decoder(type(workflow).run, WorkflowEvent)(created.params)
            timestamp = datetime.fromtimestamp(created.at_ms / 1000, tz=UTC)
            event = WorkflowEvent(payload, timestamp, key.instance, key.workflow)
            outcome: Complete | Fail = Complete(await workflow.run(event, self))
        except StepError as error:
            outcome = Fail(ErrorInfo(error.error_name, str(error)))
        except (Exception, CancelledError) as error:  # noqa: BLE001 - the edge to user code
            outcome = Fail(describe_error(error))
        if self._outcome is None:
            self._outcome = outcome

    def _settle(self, call: _Call, record: StepRecord) -> None:
        if isinstance(record, StepSucceeded):
            try:
                call.future.set_result(result_decoder(call.function)(record.result))
            except WrongShape as error:
                call.future.set_exception(StepError(record.step, "WrongShape", str(error)))
        else:
            assert not isinstance(record, AttemptFailed)
            info = record.error
            call.future.set_exception(StepError(record.step, info.name, info.message))

    def _drain(self) -> list[Effect]:
        finished_before = self._outcome is not None
        self._loop.drain()
        effects, self._effects = self._effects, []
        if self._outcome is not None and not finished_before:
            effects = [effect for effect in effects if not isinstance(effect, RunStep)]
            effects.extend(CancelStep(key) for key in self._calls)
            effects.append(self._outcome)
            self._calls.clear()
        return effects

    def _expected(self) -> str:
        if self._outcome is not None:
            return "nothing: it has finished"
        waiting = ", ".join(f"step {str(key)!r}" for key in self._calls)
        return waiting or "nothing that is recorded"


def describe_error(error: BaseException) -> ErrorInfo:
    """An exception as it is stored."""
    return ErrorInfo(type(error).__name__, str(error)[:ERROR_MESSAGE_LENGTH_MAX])
