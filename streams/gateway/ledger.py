"""Instances as readers see them, folded from the journal alone: exact, and made anew at will."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stepwell.schemas import codec
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.events import Json
from stepwell.schemas.journal import (
    AttemptFailed,
    Entry,
    ErrorInfo,
    InstanceCompleted,
    InstanceCreated,
    InstanceErrored,
    InstanceKey,
    InstancePaused,
    InstanceRecord,
    OwnerClaimed,
    StepFailed,
    StepRecord,
    StepSucceeded,
)
from stepwell.streams.engine.fold import Verdict, fold, fold_claim
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import InstanceState, PartitionState
from stepwell.streams.views import InstanceDetails, InstanceSummary, StepView


@dataclass(slots=True)
class _Line:
    """One instance: its state, and what the records said beside it."""

    key: InstanceKey
    created: InstanceCreated
    updated_ms: int
    state: InstanceState | None = None
    steps: dict[StepKey, StepRecord] = field(default_factory=dict)
    started_ms: dict[StepKey, int] = field(default_factory=dict)
    output: Json = None
    error: str | None = None


class Ledger:
    """Takes journal records in the order of each partition; answers what became of instances."""

    def __init__(self) -> None:
        self._partitions: dict[int, PartitionState] = {}
        self._lines: dict[bytes, _Line] = {}
        self.unreadable = 0
        """Records that are no journal records of ours."""

    def take(self, partition: int, offset: int, key: bytes, value: bytes) -> None:
        """Take one record."""
        try:
            record = codec.decode(value)
            name = InstanceKey.decode(key) if not isinstance(record, OwnerClaimed) else None
        except JournalCorrupt:
            self.unreadable += 1
            return
        owner = self._partitions.setdefault(partition, PartitionState())
        if isinstance(record, OwnerClaimed) or name is None:
            fold_claim(owner, offset)
            return
        line = self._lines.get(key)
        folded = fold(owner, line.state if line else None, Entry(offset, record))
        if folded.verdict is not Verdict.ACCEPTED:
            return
        if isinstance(record, InstanceCreated):
            line = self._lines[key] = _Line(name, record, record.at_ms)
        assert line is not None
        line.state = folded.state
        line.updated_ms = record.at_ms
        _note(line, record)

    def summaries(
        self, *, workflow: str | None = None, status: str | None = None
    ) -> list[InstanceSummary]:
        """The instances, newest first."""
        summaries = (_summary(line) for line in self._lines.values())
        wanted = (
            summary
            for summary in summaries
            if workflow in (None, summary.workflow) and status in (None, summary.status)
        )
        return sorted(wanted, key=lambda summary: summary.created_ms, reverse=True)

    def details(self, workflow: str | None, instance_id: str) -> Iterable[InstanceDetails]:
        """The instances of that id: one for each workflow that has it."""
        for line in self._lines.values():
            if line.key.instance == instance_id and workflow in (None, line.key.workflow):
                steps = tuple(_step(line, key) for key in line.steps)
                yield InstanceDetails(_summary(line), line.created.params, line.output, steps)


def _note(line: _Line, record: InstanceRecord) -> None:
    match record:
        case StepSucceeded() | StepFailed() | AttemptFailed():
            key = StepKey(record.step, record.occurrence)
            line.started_ms.setdefault(key, record.started_ms)
            line.steps[key] = record
        case InstanceCompleted():
            line.output = record.output
        case InstanceErrored():
            line.error = _text(record.error)
        case InstancePaused():
            line.error = f"{record.reason}: {record.detail}"
        case _:
            line.error = None


def _summary(line: _Line) -> InstanceSummary:
    assert line.state is not None
    return InstanceSummary(
        workflow=line.key.workflow,
        instance_id=line.key.instance,
        status=line.state.status,
        created_ms=line.created.at_ms,
        updated_ms=line.updated_ms,
        error=line.error,
    )


_STEP_STATUS = {StepSucceeded: "complete", StepFailed: "errored", AttemptFailed: "retrying"}


def _step(line: _Line, key: StepKey) -> StepView:
    record = line.steps[key]
    over = not isinstance(record, AttemptFailed)
    return StepView(
        name=key.name,
        occurrence=key.occurrence,
        status=_STEP_STATUS[type(record)],
        attempts=record.attempt,
        started_ms=line.started_ms[key],
        finished_ms=record.at_ms if over else None,
        output=record.result if isinstance(record, StepSucceeded) else None,
        error=None if isinstance(record, StepSucceeded) else _text(record.error),
    )


def _text(error: ErrorInfo) -> str:
    return f"{error.name}: {error.message}"
