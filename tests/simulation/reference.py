"""What a journal partition says, by the fold alone: no workers, no crashes, no rows."""

from collections import defaultdict
from typing import Any

from stepwell.schemas.journal import (
    OWNER_KEY,
    Entry,
    InstanceKey,
    InstanceRecord,
    OwnerClaimed,
    StepSucceeded,
)
from stepwell.streams.engine.fold import Verdict, fold, fold_claim
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import InstanceState, PartitionState, Status


class Reference:
    """The journal of one partition, folded from its beginning."""

    def __init__(self) -> None:
        self._partition = PartitionState()
        self.next_offset = 0
        self.states: dict[InstanceKey, InstanceState] = {}
        self.accepted: dict[InstanceKey, list[InstanceRecord]] = defaultdict(list)
        """Of every instance that there is: a new one of the same id begins a new list."""
        self.gone: list[list[InstanceRecord]] = []
        self.finished: dict[tuple[InstanceKey, StepKey], Any] = {}
        self.finished_at: dict[tuple[InstanceKey, int, StepKey], int] = {}
        """Where a step of a run was recorded as done."""
        self.verdicts: dict[Verdict, int] = defaultdict(int)
        self.changes: dict[InstanceKey, list[tuple[int, Status]]] = defaultdict(list)
        """Where the status of an instance became another one, in its present run."""

    def take(self, offset: int, raw_key: bytes, record: Any) -> None:
        self.next_offset = offset + 1
        if raw_key == OWNER_KEY:
            if isinstance(record, OwnerClaimed):
                fold_claim(self._partition, offset)
            return
        key = InstanceKey.decode(raw_key)
        state = self.states.get(key)
        before = (state.run, state.status) if state else None
        folded = fold(self._partition, state, Entry(offset, record))
        self.verdicts[folded.verdict] += 1
        if folded.verdict is not Verdict.ACCEPTED:
            return
        self.accepted[key].append(record)
        if folded.state is None:
            del self.states[key]
            self.changes.pop(key, None)
            self.gone.append(self.accepted.pop(key))
            return
        self.states[key] = folded.state
        run, status = folded.state.run, folded.state.status
        if before is None or before[0] != run:
            self.changes[key].clear()
        if before != (run, status):
            self.changes[key].append((offset, status))
        if isinstance(record, StepSucceeded):
            step = StepKey(record.step, record.occurrence, record.step_kind)
            self.finished[key, step] = record.result
            self.finished_at[key, record.run, step] = offset
