"""Given a workflow, when these records arrive, then these effects follow: no server, no clock."""

from collections.abc import Awaitable, Callable
from typing import Any

from stepwell.schemas import codec
from stepwell.schemas.journal import (
    AttemptFailed,
    InstanceCreated,
    InstanceKey,
    StepFailed,
    StepRecord,
    StepSucceeded,
)
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.engine.effects import CancelStep, Complete, Effect, Fail, RunStep
from stepwell.streams.engine.execution import Execution
from stepwell.streams.engine.execution import Run as InstanceRun
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent

Run = Callable[[WorkflowEvent[Any], Step], Awaitable[Any]]


class Scenario:
    """One instance of a workflow given as a function, and the records that it was given."""

    def __init__(self, run: Run, params: Any = None, **limits: int) -> None:
        class Told(Workflow, name="told"):
            steps_max = limits.get("steps_max")

            async def run(self, event: WorkflowEvent[Any], step: Step) -> Any:
                return await run(event, step)

        self._workflow = Told
        self._created = InstanceCreated(params, at_ms=1_000)
        self.records: list[StepRecord] = []
        self.execution = self._new()
        self.effects = self.execution.start()

    def _new(self) -> Execution:
        key = InstanceKey("told", "one")
        return Execution(self._workflow(), InstanceRun(key, 1, self._created))

    @property
    def asked(self) -> list[str]:
        """The steps that the last record made the workflow ask for."""
        return [str(e.key) for e in self.effects if isinstance(e, RunStep)]

    @property
    def cancelled(self) -> list[str]:
        return [str(e.key) for e in self.effects if isinstance(e, CancelStep)]

    @property
    def outcome(self) -> Complete | Fail | None:
        ends = [e for e in self.effects if isinstance(e, Complete | Fail)]
        assert len(ends) <= 1, "finished twice"
        return ends[0] if ends else None

    @property
    def output(self) -> Any:
        assert isinstance(self.outcome, Complete), self.effects
        return self.outcome.output

    @property
    def error(self) -> ErrorInfo:
        assert isinstance(self.outcome, Fail), self.effects
        return self.outcome.error

    def succeed(self, name: str, result: Any = None, occurrence: int = 1) -> "Scenario":
        return self.take(StepSucceeded(1, name, occurrence, 1, 0, 0, 0, result))

    def fail(self, name: str, error: ErrorInfo, occurrence: int = 1) -> "Scenario":
        return self.take(StepFailed(1, name, occurrence, 1, 0, 0, 0, error))

    def retry(self, name: str, attempt: int, at_ms: int) -> "Scenario":
        error = ErrorInfo("Boom", "")
        return self.take(AttemptFailed(1, name, 1, attempt, 0, 0, 0, error, at_ms))

    def take(self, record: StepRecord) -> "Scenario":
        stored = codec.decode(codec.encode(record))  # as the journal gives it back
        self.records.append(stored)  # type: ignore[arg-type]
        self.effects = self.execution.deliver(stored)  # type: ignore[arg-type]
        return self

    def replayed(self) -> list[Effect]:
        """What a fresh execution still has to do after the same records."""
        return self._new().replay(self.records)
