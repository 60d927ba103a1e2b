"""Replays the history of an instance on present code, to see whether the two still agree.

Nothing of it touches the world: step bodies are asked for and never run.
"""

from dataclasses import dataclass

import orjson

from stepwell.schemas import codec
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.journal import (
    ChildReported,
    InstanceCompleted,
    InstanceCreated,
    InstanceErrored,
    InstanceKey,
    InstanceRecord,
    OwnerRecord,
    StepFailed,
    StepSucceeded,
    WaitTimedOut,
)
from stepwell.streams.engine.effects import Complete, Effect, Fail, Outcome
from stepwell.streams.engine.errors import Diverged
from stepwell.streams.engine.execution import Execution
from stepwell.streams.engine.run import Run
from stepwell.streams.engine.workflow import Workflow

VERSION = 1


@dataclass(frozen=True, slots=True)
class Recording:
    """The present run of an instance: what began it, and its accepted records in order."""

    key: InstanceKey
    number: int
    began_ms: int
    created: InstanceCreated
    records: tuple[InstanceRecord, ...]

    @property
    def sensitive(self) -> bool:
        """Whether it holds results that no view may show."""
        return any(isinstance(it, StepSucceeded) and it.sensitive for it in self.records)

    def encode(self) -> bytes:
        """One line of JSON."""
        head = {"v": VERSION, "key": str(self.key), "run": self.number, "began_ms": self.began_ms}
        created = codec.encode(self.created)
        records = b",".join(codec.encode(record) for record in self.records)
        return b'%b,"created":%b,"records":[%b]}' % (orjson.dumps(head)[:-1], created, records)

    @classmethod
    def decode(cls, line: bytes) -> "Recording":
        """Parse what `encode` made; raises `JournalCorrupt`."""
        try:
            data = orjson.loads(line)
            version = data["v"]
            created = codec.decode(orjson.dumps(data["created"]))
            records = [codec.decode(orjson.dumps(record)) for record in data["records"]]
            key = InstanceKey.decode(data["key"].encode())
            number, began_ms = int(data["run"]), int(data["began_ms"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise JournalCorrupt(f"not an exported history: {error!r}") from error
        if version != VERSION or not isinstance(created, InstanceCreated):
            raise JournalCorrupt(f"not an exported history of version {VERSION}")
        own = tuple(record for record in records if not isinstance(record, OwnerRecord))
        return cls(key, number, began_ms, created, own)


def check_recording(workflow: Workflow, recording: Recording) -> Diverged | None:
    """How the code contradicts the history; None when it would carry the instance on."""
    run = Run(recording.key, recording.number, recording.created, recording.began_ms)
    execution = Execution(workflow, run)
    try:
        effects = execution.replay(recording.records)
    except Diverged as diverged:
        return diverged
    finally:
        execution.close()
    outcome = next((effect for effect in effects if isinstance(effect, Outcome)), None)
    return _compare_ends(outcome, effects, recording)


_ENDS: dict[type[InstanceRecord], type[Effect]] = {
    InstanceCompleted: Complete,
    InstanceErrored: Fail,
}
_MAY_END = StepFailed | ChildReported | WaitTimedOut
"""A run may raise what one of these throws into it: that is no contradiction."""


def _compare_ends(
    outcome: Outcome | None, effects: list[Effect], recording: Recording
) -> Diverged | None:
    end = next((it for it in reversed(recording.records) if type(it) in _ENDS), None)
    if end is not None and not isinstance(outcome, _ENDS[type(end)]):
        return Diverged(_wanted(outcome, effects), f"the end of the run: {type(end).__name__}")
    may_fail = bool(recording.records) and isinstance(recording.records[-1], _MAY_END)
    if end is None and isinstance(outcome, Fail) and not may_fail:
        return Diverged(_wanted(outcome, effects), "a run that goes on")
    return None


def _wanted(outcome: Outcome | None, effects: list[Effect]) -> str:
    match outcome:
        case Fail():
            return f"nothing: it fails with {outcome.error.name}: {outcome.error.message}"
        case None:
            keys = (getattr(effect, "key", None) for effect in effects)
            return ", ".join(f"step {str(key)!r}" for key in keys if key is not None)
        case _:
            return f"nothing: it ends ({type(outcome).__name__.lower()})"
