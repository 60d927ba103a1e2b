"""Which recorded instances are resumed or verified, and why not the others."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from stepwell.schemas.commands import StepKind, StepRef
from stepwell.schemas.events import Json
from stepwell.schemas.journal import (
    ChildReported,
    InstanceErrored,
    InstanceKey,
    StepFailed,
    StepSucceeded,
    WaitTimedOut,
)
from stepwell.streams.engine.check import Recording
from stepwell.streams.engine.state import Status
from stepwell.streams.replay.asking import Mode
from stepwell.streams.replay.plan import Ticket
from stepwell.streams.replay.selection import Selection
from stepwell.streams.replay.verifying import Rules
from stepwell.streams.views import InstanceSummary


class Instances(Protocol):
    """All instances as they are now: the read model, or a ledger."""

    def summaries(
        self, *, workflow: str | None = None, status: str | None = None
    ) -> list[InstanceSummary]:
        """Those of a workflow, those of a status."""
        ...

    def recording(self, key: InstanceKey) -> Recording | None:
        """The present run of one; None: there is none."""
        ...

    def command(self, command_id: str) -> object | None:
        """What became of a command; None: it was never sent."""
        ...


@dataclass(slots=True)
class Chosen:
    """The instances of the records to which something is done, and why not to the others."""

    recordings: list[Recording]
    left_alone: Counter[str] = field(default_factory=Counter)


def choose(known: Instances, selection: Selection) -> Chosen:
    """For `resume`: those that failed in a step. For `verify`: those that are complete."""
    chosen = Chosen([])
    resumes = selection.ticket.mode is Mode.RESUME
    for summary in known.summaries(workflow=selection.ticket.workflow):
        recording = known.recording(InstanceKey(summary.workflow, summary.instance_id))
        if recording is None or not selection.has(recording):
            continue
        if summary.status != (Status.ERRORED if resumes else Status.COMPLETE):
            chosen.left_alone[summary.status] += 1
        elif resumes and failed_step(recording) is None:
            chosen.left_alone["errored outside a step, or rolled back"] += 1
        else:
            chosen.recordings.append(recording)
    return chosen


def bodies_of(recordings: Sequence[Recording], ticket: Ticket) -> dict[str, int]:
    """The bodies that a verification runs, and how often."""
    rules = Rules(skip=ticket.skip)
    names: Counter[str] = Counter(
        f"{recording.key.workflow}: {record.step}"
        for recording in recordings
        for record in recording.records
        if isinstance(record, StepSucceeded | StepFailed) and not rules.skips(record.step)
    )
    return dict(names)


def failed_step(recording: Recording) -> StepRef | None:
    """The step from which an errored instance can go on; None when none failed.

    None also when what precedes it was rolled back.
    """
    end = recording.records[-1] if recording.records else None
    if isinstance(end, InstanceErrored) and end.rollback is not None:
        return None
    for record in reversed(recording.records):
        match record:
            case StepFailed() if record.step_kind != StepKind.ROLLBACK:
                return StepRef(record.step, record.occurrence, record.step_kind)
            case ChildReported() if record.status not in ("complete", "created"):
                return StepRef(record.step, record.occurrence, StepKind.CHILD)
            case WaitTimedOut():
                return StepRef(record.step, record.occurrence, StepKind.WAIT)
            case _:
                pass
    return None


def count_vectors(recordings: Iterable[Recording]) -> int:
    """How many vectors the instances have recorded; versions of one subject count once."""
    found: dict[str, int] = {}
    for recording in recordings:
        origin = recording.created.origin
        subject = origin.subject if origin else str(recording.key)
        results = (it.result for it in recording.records if isinstance(it, StepSucceeded))
        count = sum(map(_vectors, results))
        found[subject] = max(count, found.get(subject, 0))
    return sum(found.values())


def _vectors(result: Json) -> int:
    if isinstance(result, np.ndarray):
        rows = result.shape[0] if result.ndim == 2 else 1
        return rows if result.dtype.kind == "f" else 0
    if isinstance(result, Mapping):
        return sum(map(_vectors, result.values()))
    return sum(map(_vectors, result)) if isinstance(result, list) else 0
