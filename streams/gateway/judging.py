"""What became of each record of the journal: the fold's verdict, with a sentence for people."""

from dataclasses import dataclass

from stepwell.schemas import codec
from stepwell.schemas.commands import (
    CancelRequested,
    EventReceived,
    PauseRequested,
    RestartRequested,
    ResumeRequested,
    TerminateRequested,
)
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.journal import (
    Entry,
    InstanceKey,
    InstanceRecord,
    OwnerClaimed,
    OwnerRecord,
)
from stepwell.streams.engine.fold import Verdict, fold, fold_claim
from stepwell.streams.engine.state import InstanceState, PartitionState, Status


@dataclass(frozen=True, slots=True)
class Judgement:
    """One record, and what the fold did with it, from which status to which."""

    partition: int
    offset: int
    key: InstanceKey
    record: InstanceRecord
    verdict: Verdict
    before: Status | None
    after: Status | None
    """None: there is no such instance (any more)."""

    @property
    def accepted(self) -> bool:
        """Whether it took effect."""
        return self.verdict is Verdict.ACCEPTED


@dataclass(frozen=True, slots=True)
class Ruling:
    """What became of a command, without its contents: as it is answered and kept."""

    partition: int
    offset: int
    workflow: str
    instance_id: str
    kind: str
    """The name of the record's class."""
    command_id: str
    verdict: str
    before: str | None
    after: str | None
    message: str

    @property
    def accepted(self) -> bool:
        """Whether it took effect."""
        return self.verdict == Verdict.ACCEPTED


class Judge:
    """Folds journal records, given in the order of each partition; keeps states, no contents."""

    def __init__(self) -> None:
        self._partitions: dict[int, PartitionState] = {}
        self._states: dict[bytes, InstanceState] = {}
        self.unreadable = 0
        """Records that are no journal records of ours."""

    def take(self, partition: int, offset: int, key: bytes, value: bytes) -> Judgement | None:
        """Take one record; None for those of owners, and for what is no journal record."""
        try:
            record = codec.decode(value)
            name = InstanceKey.decode(key) if not isinstance(record, OwnerRecord) else None
        except JournalCorrupt:
            self.unreadable += 1
            return None
        owner = self._partitions.setdefault(partition, PartitionState())
        if isinstance(record, OwnerRecord) or name is None:
            if isinstance(record, OwnerClaimed):
                fold_claim(owner, offset)
            return None
        state = self._states.get(key)
        before = state.status if state else None
        folded = fold(owner, state, Entry(offset, record))
        if folded.state is None:
            self._states.pop(key, None)
        else:
            self._states[key] = folded.state
        after = folded.state.status if folded.state else None
        return Judgement(partition, offset, name, record, folded.verdict, before, after)


def command_id(record: InstanceRecord) -> str:
    """The id that whoever sent a command gave it; empty for records of workers."""
    if isinstance(record, EventReceived):
        return record.event_id
    return getattr(record, "command_id", "")


def ruling_of(judged: Judgement) -> Ruling:
    """The judgement in words."""
    return Ruling(
        judged.partition,
        judged.offset,
        judged.key.workflow,
        judged.key.instance,
        type(judged.record).__name__,
        command_id(judged.record),
        judged.verdict,
        judged.before,
        judged.after,
        explain(judged),
    )


_CANNOT = {
    CancelRequested: "it cannot be cancelled any more",
    EventReceived: "it takes no events any more",
    PauseRequested: "there is nothing to pause",
    ResumeRequested: "there is nothing to resume",
    TerminateRequested: "it cannot be terminated any more",
}
_WORKERS = {
    Verdict.OTHER_RUN: "belongs to another run of {key}",
    Verdict.FENCED: "was written by a worker that did not own {key} any more",
    Verdict.STEP_FINISHED: "is about a step of {key} that was over",
    Verdict.LATE_ATTEMPT: "is about an attempt of {key} that a later one had replaced",
}


def explain(judgement: Judgement) -> str:
    """Why the record took effect or not, as a sentence without its full stop."""
    key, record, before = judgement.key, judgement.record, judgement.before
    match judgement.verdict:
        case Verdict.ACCEPTED:
            return f"{key} is {judgement.after or 'deleted'}"
        case Verdict.UNKNOWN_INSTANCE:
            return f"there is no instance {key}"
        case Verdict.DUPLICATE_INSTANCE:
            return f"{key} exists already, and is {before}"
        case Verdict.REDELIVERED | Verdict.DUPLICATE_EVENT:
            return f"{key} has got this before"
        case Verdict.INSTANCE_FINISHED | Verdict.NO_EFFECT:
            return f"{key} is {before}: {_CANNOT.get(type(record), 'that changes nothing')}"
        case Verdict.UNKNOWN_STEP:
            assert isinstance(record, RestartRequested)
            return f"{key} has no such step in its present run: {_step_of(record)}"
        case other:
            return f"the record {_WORKERS[other].format(key=key)}"


def _step_of(record: RestartRequested) -> str:
    step = record.from_step
    return f"{step.kind} {step.name!r}, number {step.occurrence}" if step else "none"
