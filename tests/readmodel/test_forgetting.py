"""What is deleted, or no longer kept, leaves no trace."""

from pathlib import Path

import pytest

from stepwell.schemas import codec
from stepwell.schemas.commands import DeleteRequested, EventReceived, PauseRequested
from stepwell.schemas.journal import (
    InstanceCompleted,
    InstanceContinued,
    InstanceCreated,
    InstancePurged,
    InstanceRecord,
    StepSucceeded,
)
from stepwell.schemas.parts import Origin
from stepwell.streams.readmodel import projection
from stepwell.streams.readmodel.model import ReadModel

ORIGIN = Origin("e-1", "issue", "github", "subject-of-ann", "events", 0, 0)


def take(model: ReadModel, *records: InstanceRecord, start: int = 0) -> None:
    rows = enumerate(records, start)
    model.take((0, offset, b"order/of-ann", codec.encode(record)) for offset, record in rows)


STORY = (
    InstanceCreated({"name": "ann"}, 1, ORIGIN),
    StepSucceeded(0, "ask", 1, 1, 0, 1, 2, "ann said", call=1),
    EventReceived("paid", {"by": "ann"}, 3, "event-of-ann"),
    PauseRequested(4, "ann is away", "pause"),
)


@pytest.mark.parametrize(
    "ends",
    [
        (DeleteRequested(9, "", "delete"),),
        (InstanceCompleted(0, 0, 8, "ann"), InstancePurged(0, 0, 9)),
    ],
)
def test_nothing_of_a_deleted_instance_is_left_in_the_file(tmp_path: Path, ends):
    path = tmp_path / "model"
    model = ReadModel(path)
    take(model, *STORY)
    take(model, *ends, start=len(STORY))
    lines = list(model.dump())
    assert [line for line in lines if "ann" in line and "delete" not in line] == []
    assert model.command("event-of-ann") is None
    model.close()  # writes the log of changes into the file
    raw = path.read_bytes()
    assert b"ann said" not in raw
    assert b"subject-of-ann" not in raw


def test_the_verdict_of_the_deletion_itself_is_kept():
    model = ReadModel()
    take(model, *STORY, DeleteRequested(9, "", "delete"))
    ruling = model.command("delete")
    assert ruling is not None
    assert (ruling.verdict, ruling.after) == ("accepted", None)


def test_a_command_that_was_followed_by_a_deletion_at_once_is_still_answered():
    model = ReadModel()
    take(model, *STORY, DeleteRequested(9, "", "delete"))
    ruling = model.ruling(0, 3)
    assert ruling is not None
    assert ruling.after == "waitingForPause"


def test_what_became_of_old_commands_is_forgotten(monkeypatch):
    monkeypatch.setattr(projection, "RULINGS_KEPT", 3)
    model = ReadModel()
    take(model, InstanceCreated(None, 1), PauseRequested(2, "", "old"))
    take(model, *(EventReceived("x", None, 3, f"e-{n}") for n in range(5)), start=2)
    assert model.command("old") is None
    assert model.command("e-4") is not None


def test_records_of_runs_that_are_over_are_dropped():
    model = ReadModel()
    take(model, InstanceCreated(0, 1))
    for run in range(1, 50, 2):
        began = run - 1
        done = StepSucceeded(began, "work", 1, 1, 0, 1, 2, None, call=1)
        take(model, done, InstanceContinued(began, 0, 3, run), start=run)
    assert sum(line.startswith("records") for line in model.dump()) == 2
