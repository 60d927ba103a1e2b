"""Instances as readers see them, folded from the journal alone: exact, and made anew at will."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from stepwell.schemas.commands import StepKind
from stepwell.schemas.journal import Entry, InstanceCreated, InstanceKey, InstanceRecord
from stepwell.streams.engine.check import Recording
from stepwell.streams.engine.history import History
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import InstanceState, Status
from stepwell.streams.gateway.judging import Judge, Judgement, command_id
from stepwell.streams.gateway.telling import Child, details_of, error_of, reason_of
from stepwell.streams.views import InstanceDetails, InstanceSummary


@dataclass(slots=True)
class _Line:
    """One instance: the history of its present run, and what the records said beside it."""

    key: InstanceKey
    first_ms: int
    updated_ms: int
    history: History = field(default_factory=History)
    why: InstanceRecord | None = None
    """The record that brought about its status."""

    @property
    def state(self) -> InstanceState:
        assert self.history.state is not None
        return self.history.state

    @property
    def created(self) -> InstanceCreated:
        assert self.history.created is not None
        return self.history.created

    def summary(self) -> InstanceSummary:
        why = self.why
        return InstanceSummary(
            workflow=self.key.workflow,
            instance_id=self.key.instance,
            status=self.state.status,
            created_ms=self.first_ms,
            updated_ms=self.updated_ms,
            error=error_of(why) if self.state.status is Status.ERRORED else None,
            reason=reason_of(why, self.history.records),
            subject=self.created.origin.subject if self.created.origin else None,
        )


class Ledger:
    """Takes journal records in the order of each partition; answers what became of instances."""

    def __init__(self) -> None:
        self._judge = Judge()
        self._lines: dict[InstanceKey, _Line] = {}
        self._commands: dict[str, Judgement] = {}

    @property
    def unreadable(self) -> int:
        """How many records were no journal records of ours."""
        return self._judge.unreadable

    def take(self, partition: int, offset: int, key: bytes, value: bytes) -> Judgement | None:
        """Take one record, and say what became of it; None when it is about no instance."""
        judged = self._judge.take(partition, offset, key, value)
        if judged is None:
            return None
        if (command := command_id(judged.record)) and not self._has_accepted(command):
            self._commands[command] = judged
        if judged.accepted:
            self._note(judged)
        return judged

    def command(self, command_id: str) -> Judgement | None:
        """What became of a command, or of an event by its id; None: it was never sent."""
        return self._commands.get(command_id)

    def summaries(
        self, *, workflow: str | None = None, status: str | None = None
    ) -> list[InstanceSummary]:
        """The instances, newest first."""
        summaries = (line.summary() for line in self._lines.values())
        wanted = (
            summary
            for summary in summaries
            if workflow in (None, summary.workflow) and status in (None, summary.status)
        )
        return sorted(wanted, key=lambda summary: summary.created_ms, reverse=True)

    def find(self, workflow: str | None, instance_id: str) -> list[InstanceKey]:
        """The instances of that id, one for each workflow that has it; `latest` is the newest."""
        if instance_id == "latest":
            newest = self.summaries(workflow=workflow)[:1]
            return [InstanceKey(summary.workflow, summary.instance_id) for summary in newest]
        return [
            key
            for key in self._lines
            if key.instance == instance_id and workflow in (None, key.workflow)
        ]

    def unfinished(self, workflow: str | None = None) -> list[InstanceKey]:
        """The instances that have not ended."""
        return [
            key
            for key, line in self._lines.items()
            if not line.state.status.terminal and workflow in (None, key.workflow)
        ]

    def summary(self, key: InstanceKey) -> InstanceSummary | None:
        """An instance in one line."""
        line = self._lines.get(key)
        return line.summary() if line else None

    def details(self, workflow: str | None, instance_id: str) -> Iterator[InstanceDetails]:
        """The instances of that id: one for each workflow that has it."""
        for key in self.find(workflow, instance_id):
            yield self._details(self._lines[key])

    def recording(self, key: InstanceKey) -> Recording | None:
        """The present run of an instance, for a replay elsewhere."""
        line = self._lines.get(key)
        if line is None:
            return None
        run = line.history.run(key)
        return Recording(key, run.number, run.began_ms, run.created, tuple(line.history.records))

    # --- inside -------------------------------------------------------------------------------

    def _has_accepted(self, command: str) -> bool:
        known = self._commands.get(command)
        return known is not None and known.accepted

    def _note(self, judged: Judgement) -> None:
        record, line = judged.record, self._lines.get(judged.key)
        if judged.after is None:
            del self._lines[judged.key]
            return
        over = judged.before is not None and judged.before.terminal
        if line is None or (over and isinstance(record, InstanceCreated)):
            line = self._lines[judged.key] = _Line(judged.key, record.at_ms, record.at_ms)
        run_before = line.history.state.run if line.history.state else None
        line.history.take(Entry(judged.offset, record))
        line.updated_ms = record.at_ms
        if judged.before != judged.after or line.state.run != run_before:
            line.why = record

    def _details(self, line: _Line) -> InstanceDetails:
        children = [_child(other) for other in self._lines.values() if _is_child(other, line)]
        return details_of(line.summary(), line.history, children)


def _is_child(line: _Line, parent: _Line) -> bool:
    link = line.created.parent
    return link is not None and link.key == str(parent.key) and link.run == parent.state.run


def _child(line: _Line) -> Child:
    link = line.created.parent
    assert link is not None
    return Child(StepKey(link.step, link.occurrence, StepKind.CHILD), str(line.key), line.first_ms)
