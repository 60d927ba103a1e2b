"""Computes an instance again on the present code, step by step, and compares with what it recorded.

The workflow runs on the engine as in a worker, but it gets the recorded results: a change is seen
at the step that makes it, not at all that follow. Bodies run for real; what they write to is for
their bindings to hold back.
"""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field

from stepwell.schemas import codec
from stepwell.schemas.commands import StepKind
from stepwell.schemas.events import Json
from stepwell.schemas.journal import (
    InstanceCompleted,
    InstanceRecord,
    SleepStarted,
    StepFailed,
    StepRecord,
    StepSucceeded,
    StreamChunk,
    TimerFired,
)
from stepwell.schemas.parts import ErrorInfo
from stepwell.schemas.values import NotSerialisable
from stepwell.streams.engine.attempt import Attempt
from stepwell.streams.engine.check import Recording
from stepwell.streams.engine.deliveries import StepwiseRecord, step_key
from stepwell.streams.engine.effects import CancelStep, Complete, Effect, Fail, RunStep, StartSleep
from stepwell.streams.engine.execution import Execution
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.run import Run
from stepwell.streams.engine.settling import is_stream
from stepwell.streams.engine.workflow import Workflow
from stepwell.streams.replay.findings import Finding, Verdict, brief, same
from stepwell.streams.runtime.attempts import Attempts

OUTPUT = StepKey("(output)", 1)
"""Stands for what the workflow gave back, among the names of steps."""
EPOCH = 0
"""No worker owns a verification."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as the same, and the patterns of steps whose bodies must not run."""

    tolerance: float = 0.0
    skip: tuple[str, ...] = ()

    def skips(self, step: str) -> bool:
        """Whether the body of a step of this name must not run."""
        return any(fnmatch.fnmatchcase(step, pattern) for pattern in self.skip)


@dataclass(slots=True)
class Verification:
    """One completed instance; `run` is called once."""

    workflow: Workflow
    recording: Recording
    attempts: Attempts
    rules: Rules = field(default_factory=Rules)
    _execution: Execution = field(init=False)
    _recorded: frozenset[StepKey] = frozenset()
    _asked: dict[StepKey, Effect] = field(default_factory=dict)
    _done: set[StepKey] = field(default_factory=set)
    _chunks: dict[StepKey, list[Json]] = field(default_factory=dict)
    _findings: list[Finding] = field(default_factory=list)

    async def run(self) -> list[Finding]:
        """What was found, in the order of the recorded steps."""
        recording = self.recording
        run = Run(recording.key, recording.number, recording.created, recording.began_ms)
        self._execution = Execution(self.workflow, run)
        self._recorded = frozenset(
            step_key(record) for record in recording.records if isinstance(record, StepwiseRecord)
        )
        try:
            self._execution.recall(recording.records)
            self._note(self._execution.start())
            for record in recording.records:
                await self._take(record)
            await self._run_added()
            self._compare_outputs()
        finally:
            self._execution.close()
        return self._findings

    async def _take(self, record: InstanceRecord) -> None:
        """Compare what a record says, then let the workflow have it."""
        if not isinstance(record, StepwiseRecord):
            self._deliver(record)
            return
        key = step_key(record)
        if key not in self._asked:
            await self._run_added(until=key)
        if key not in self._asked:
            if key not in self._done:
                self._find(key, Verdict.MISSING, _in_words(record))
            return
        match record:
            case StreamChunk():
                chunks = self._chunks.setdefault(key, [])
                del chunks[record.index :]  # those of an attempt that was lost
                chunks.append(record.data)
            case StepSucceeded() | StepFailed():
                await self._compare(key, record)
            case _:
                pass
        self._deliver(record)

    async def _compare(self, key: StepKey, record: StepSucceeded | StepFailed) -> None:
        step = self._asked[key]
        if not isinstance(step, RunStep):
            return
        if self.rules.skips(key.name):
            self._find(key, Verdict.SKIPPED)
            return
        again, chunks = await self._compute(step._replace(attempt=record.attempt))
        hidden = step.options.sensitive
        if self._is_same(record, again, (self._chunks.get(key, []), chunks)):
            self._find(key, Verdict.SAME)
            return
        texts = _in_words(record, sensitive=hidden), _in_words(again, sensitive=hidden)
        self._find(key, Verdict.CHANGED, *texts)

    def _is_same(
        self,
        recorded: StepRecord,
        again: StepRecord,
        chunks: tuple[list[Json], list[Json]],
    ) -> bool:
        if isinstance(recorded, StepSucceeded) and isinstance(again, StepSucceeded):
            streamed = is_stream(recorded.result) and is_stream(again.result)
            before, now = chunks if streamed else (recorded.result, again.result)
            return same(before, now, self.rules.tolerance)
        if isinstance(recorded, StepSucceeded) or isinstance(again, StepSucceeded):
            return False
        return recorded.error.name == again.error.name

    async def _compute(self, step: RunStep) -> tuple[StepRecord, list[Json]]:
        """Run a body; its record as it would be read back, and what it yielded."""
        chunks: list[Json] = []
        attempt = Attempt(step, self.recording.number, EPOCH, self.attempts.clock())
        _, raw = await self.attempts.carry_out(
            attempt, self.recording.key, lambda chunk, _raw: chunks.append(chunk.data)
        )
        record = codec.decode(raw)
        assert isinstance(record, StepRecord)
        return record, chunks

    async def _run_added(self, until: StepKey | None = None) -> None:
        """Carry on what the recorded run did not ask for, until this step is asked for."""
        while until is None or until not in self._asked:
            added = next((it for it in self._asked if self._is_new(it)), None)
            if added is None:
                return
            self._find(added, Verdict.ADDED)
            for record in await self._invented(self._asked[added]):
                self._deliver(record)

    def _is_new(self, key: StepKey) -> bool:
        return key not in self._recorded and key not in self._done

    async def _invented(self, effect: Effect) -> list[InstanceRecord]:
        """The records that an added step would get; none where only others could make them."""
        run, now_ms = self.recording.number, self._execution.now_ms
        if isinstance(effect, StartSleep):
            name, occurrence, _ = effect.key
            began = SleepStarted(run, name, occurrence, EPOCH, now_ms, now_ms, effect.call)
            return [began, TimerFired(run, name, occurrence, EPOCH, now_ms)]
        if not isinstance(effect, RunStep) or self.rules.skips(effect.key.name):
            return []
        record, chunks = await self._compute(effect)
        facts = record.run, record.step, record.occurrence, record.attempt, EPOCH
        made: list[InstanceRecord] = [
            StreamChunk(*facts, now_ms, index, data, record.step_kind)
            for index, data in enumerate(chunks)
        ]
        if not isinstance(record, StepSucceeded):  # no second attempt
            times, error = (record.started_ms, record.at_ms), record.error
            record = StepFailed(*facts, *times, error, record.step_kind, record.call)
        return [*made, record]

    def _compare_outputs(self) -> None:
        ends = [it for it in self.recording.records if isinstance(it, InstanceCompleted)]
        recorded, hidden = ends[-1].output if ends else None, self.recording.sensitive
        before = brief(recorded, sensitive=hidden)
        outcome = next((it for it in self._execution.outstanding() if _is_end(it)), None)
        match outcome:
            case Complete():
                try:
                    again = codec.decode(codec.encode(InstanceCompleted(0, 0, 0, outcome.output)))
                except NotSerialisable as error:
                    self._add(OUTPUT, Verdict.CHANGED, before, str(error))
                    return
                assert isinstance(again, InstanceCompleted)
                is_same = same(recorded, again.output, self.rules.tolerance)
                now = brief(again.output, sensitive=hidden)
            case Fail():
                is_same, now = False, _error(outcome.error)
            case _:
                is_same, now = False, "it does not end"
        if is_same:
            self._add(OUTPUT, Verdict.SAME)
        else:
            self._add(OUTPUT, Verdict.CHANGED, before, now)

    # --- small helpers ------------------------------------------------------------------------

    def _deliver(self, record: InstanceRecord) -> None:
        self._note(self._execution.deliver(record))

    def _note(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            key = getattr(effect, "key", None)
            if isinstance(effect, CancelStep):
                self._done.add(effect.key)  # nobody waits for it, here as in the recorded run
            elif isinstance(key, StepKey):
                self._asked.setdefault(key, effect)

    def _find(self, key: StepKey, verdict: Verdict, recorded: str = "", found: str = "") -> None:
        self._done.add(key)
        self._add(key, verdict, recorded, found)

    def _add(self, step: StepKey, verdict: Verdict, recorded: str = "", found: str = "") -> None:
        key = self.recording.key
        name = step.name if step.kind == StepKind.DO else f"{step.kind} {step.name}"
        self._findings.append(
            Finding(key.workflow, key.instance, name, step.occurrence, verdict, recorded, found)
        )


def _is_end(effect: Effect) -> bool:
    return isinstance(effect, Complete | Fail)


def _in_words(record: StepwiseRecord, *, sensitive: bool = False) -> str:
    match record:
        case StepSucceeded():
            return brief(record.result, sensitive=sensitive or record.sensitive)
        case StepFailed():
            return _error(record.error)
        case _:
            error = getattr(record, "error", None)
            return _error(error) if isinstance(error, ErrorInfo) else ""


def _error(error: ErrorInfo) -> str:
    return f"{error.name}: {error.message}"
