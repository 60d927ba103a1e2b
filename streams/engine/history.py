"""What is known of one instance: its state, and the records from which its run is replayed.

The same for a worker that reads its rows, for a check of new code, and for tests: entries that the
fold accepted go in, in log order.
"""

from dataclasses import replace

from stepwell.schemas.commands import EventReceived, RestartRequested
from stepwell.schemas.journal import (
    Entry,
    InstanceContinued,
    InstanceCreated,
    InstanceKey,
    InstanceRecord,
    OwnerRecord,
    SleepStarted,
    TimerFired,
    WaitStarted,
    WaitTimedOut,
)
from stepwell.streams.engine.changes import is_carried_over
from stepwell.streams.engine.deliveries import kept_after_restart, step_key
from stepwell.streams.engine.fold import refold
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.run import Run
from stepwell.streams.engine.state import InstanceState


class History:
    """The accepted entries of one instance, folded; its present run needs no others."""

    def __init__(self) -> None:
        self.state: InstanceState | None = None
        self.created: InstanceCreated | None = None
        self.began_ms = 0
        self.records: list[InstanceRecord] = []
        """Those of the current run, and those that it keeps of the one before."""
        self._offsets: dict[int, int] = {}
        self._roots: dict[int, InstanceCreated] = {}
        self._root = self._began = -1
        """The creation that counts, and what gave this run its parameters."""
        self._before_pending: set[int] = set()
        """What made it run before a debounced creation that is pending: that would replace it."""

    @classmethod
    def of(cls, state: InstanceState, created: InstanceCreated) -> "History":
        """That of an instance which has just been created."""
        history = cls()
        history.state, history.created = state, created
        history._root = history._began = state.run
        history._roots[state.run] = created
        return history

    def take(self, entry: Entry) -> None:
        """Add an entry that the fold accepted."""
        record, before = entry.record, self.state.run if self.state else None
        debounced = self.state is not None and self.state.debounced
        assert not isinstance(record, OwnerRecord)
        self.state = refold(self.state, entry)
        if self.state is None:
            return
        if isinstance(record, InstanceCreated):
            self._roots[entry.offset] = record
        elif self.state.run == before:
            self.records.append(record)
            self._offsets[id(record)] = entry.offset
        if debounced and not self.state.debounced:
            self._before_pending.add(entry.offset)
        if self.state.pending == entry.offset:
            self._before_pending.add(self.state.run)
        if self.state.run != before:
            self._begin_run(record)

    def _begin_run(self, record: InstanceRecord) -> None:
        assert self.state is not None
        self.began_ms = record.at_ms
        if isinstance(record, InstanceContinued):
            assert self.created is not None
            self.created = replace(self.created, params=record.params, at_ms=record.at_ms)
            self._began = self.state.run
            self.records = [
                it
                for it in self.records
                if isinstance(it, EventReceived) and is_carried_over(record, self._offsets[id(it)])
            ]
        elif isinstance(record, RestartRequested):
            if record.from_step is None:
                self.created, self._began = self._roots[self._root], self._root
            self.records = kept_after_restart(self.records, record, self.state.steps)
        else:  # created, or a debounced creation whose turn it is now
            self._began = self._root = self.state.run
            self.created = self._roots[self._root]
            self._roots = {self._root: self.created}  # with others, a fold of the rows goes astray
            self.began_ms = self.created.at_ms
            self.records = []
            self._before_pending.clear()

    @property
    def last(self) -> InstanceRecord:
        """The last record of the current run."""
        assert self.created is not None
        return self.records[-1] if self.records else self.created

    @property
    def offsets(self) -> set[int]:
        """Where the records lie that are needed to come to the same again."""
        assert self.state is not None
        kept = {self._offsets[id(record)] for record in self.records}
        sent = {offset for offset in self.state.events.values() if offset >= 0}
        begun = self._before_pending | {self.state.run, self._began}
        return kept | sent | begun | self._roots.keys()

    @property
    def event_offsets(self) -> list[int]:
        """Where the events of this run lie, in their order."""
        return [self._offsets[id(it)] for it in self.records if isinstance(it, EventReceived)]

    def run(self, key: InstanceKey) -> Run:
        """What an execution starts from."""
        assert self.state is not None
        assert self.created is not None
        return Run(key, self.state.run, self.created, self.began_ms)

    def earliest_wake_ms(self) -> int | None:
        """No timer is due before; one that was cancelled or shifted may be meant."""
        due: dict[StepKey, int] = {}
        for record in self.records:
            if isinstance(record, SleepStarted):
                due[step_key(record)] = record.wake_at_ms
            elif isinstance(record, WaitStarted):
                due[step_key(record)] = record.timeout_at_ms
            elif isinstance(record, TimerFired | WaitTimedOut):
                due.pop(step_key(record), None)
        return min(due.values(), default=None)
