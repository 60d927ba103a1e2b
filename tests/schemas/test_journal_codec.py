"""Journal records: what is written is read back; what is not ours is refused by name."""

from pathlib import Path
from typing import get_args

import numpy as np
import orjson
import pytest

from stepwell.schemas import codec
from stepwell.schemas.commands import (
    CancelRequested,
    DeleteRequested,
    EventReceived,
    PauseRequested,
    RestartRequested,
    ResumeRequested,
    StepRef,
    TerminateRequested,
)
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.journal import (
    AttemptFailed,
    AttemptStarted,
    ChildReported,
    InstanceCompleted,
    InstanceContinued,
    InstanceCreated,
    InstanceErrored,
    InstanceIdled,
    InstanceKey,
    InstancePaused,
    InstancePurged,
    InstanceQueued,
    InstanceResumed,
    InstanceStarted,
    InstanceTerminated,
    JournalRecord,
    OwnerClaimed,
    OwnerReleased,
    PatchMarked,
    SleepStarted,
    StepFailed,
    StepSucceeded,
    StreamChunk,
    TimerFired,
    WaitStarted,
    WaitTimedOut,
)
from stepwell.schemas.parts import (
    ErrorInfo,
    Origin,
    Parent,
    Replay,
    Retention,
    Rollback,
    Schedule,
    Trace,
)

ERROR = ErrorInfo("LookupError", "no such page")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
ORIGIN = Origin("id-1", "com.github.issues.opened", "https://github.com/o/r", "s", "t", 3, 42)
RECORDS: list[JournalRecord] = [
    OwnerClaimed("host-1", "c0ffee", 1),
    InstanceCreated({"number": 1}, 2, ORIGIN),
    InstanceCreated(None, 2),
    StepSucceeded(1, "fetch", 1, 1, 7, 3, 4, {"title": "ü"}),
    AttemptFailed(1, "fetch", 2, 1, 7, 3, 4, ERROR, 1000),
    StepFailed(1, "fetch", 2, 2, 7, 3, 4, ERROR),
    InstanceCompleted(1, 7, 5, [1, 2]),
    InstanceErrored(1, 7, 5, ERROR),
    InstancePaused(1, 7, 5, "diverged", "expected a, found b"),
    InstanceResumed(1, 7, 6, "replays again"),
    InstanceCreated(
        {"number": 2},
        2,
        parent=Parent("report/one", 5, "batch", 1, 3, awaited=True),
        lane="bulk",
        retention=Retention(1, 2),
        schedule=Schedule("0 7 * * *", 99),
        debounce_ms=50,
    ),
    InstanceQueued(5, 7, 6, "10 running of embed-content"),
    InstanceStarted(5, 7, 6),
    InstanceIdled(5, 7, 6, 4),
    AttemptStarted(5, "fetch", 1, 2, 7, 6),
    StreamChunk(5, "read", 1, 1, 7, 6, 0, b"piece"),
    SleepStarted(5, "nap", 1, 7, 6, 1_006, 4),
    TimerFired(5, "nap", 1, 7, 1_007),
    WaitStarted(5, "approval", 1, 7, 6, "approved", {"order.id": 7}, 1_006, 4),
    WaitTimedOut(5, "approval", 1, 7, 1_007),
    ChildReported(5, "batch", 1, 3, 6, "embed/a", "errored", None, ERROR),
    PatchMarked(5, 7, 6, "new-order", 4),
    InstanceContinued(5, 7, 6, {"page": 2}),
    InstanceErrored(5, 7, 6, ERROR, Rollback(complete=False, error=ERROR)),
    InstanceTerminated(5, 7, 6, "no longer wanted", Rollback(complete=True)),
    InstancePurged(5, 7, 6),
    EventReceived("approved", {"by": "me"}, 6, "event-1"),
    PauseRequested(6, "maintenance", "command-1"),
    ResumeRequested(6),
    CancelRequested(6),
    TerminateRequested(6, rollback=True),
    RestartRequested(6, StepRef("fetch", 2)),
    DeleteRequested(6),
    OwnerReleased("c0ffee", 9),
    InstanceCreated(None, 2, ORIGIN, lane="bulk", replay=Replay("r-1", "embed-content/one")),
    InstanceCreated(None, 2, ORIGIN, trace=Trace(TRACEPARENT, "vendor=1")),
]
GOLDEN = Path(__file__).parent / "golden" / "journal.jsonl"


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_as_it_went(record: JournalRecord) -> None:
    assert codec.decode(codec.encode(record)) == record


def test_every_kind_is_tried() -> None:
    assert {type(record) for record in RECORDS} == set(get_args(JournalRecord))


def test_the_stored_form_does_not_change_unnoticed() -> None:
    """Journals outlive releases: a line that changes here is a change of the stored state."""
    assert [codec.encode(record) for record in RECORDS] == GOLDEN.read_bytes().splitlines()


def test_arrays_and_bytes_are_stored_raw_not_as_decimal_text() -> None:
    vector = np.full(384, 0.1, dtype=np.float32)
    raw = codec.encode(StepSucceeded(1, "embed", 1, 1, 7, 3, 4, vector))
    assert len(raw) < 384 * 4 * 4 / 3 + 300
    record = codec.decode(raw)
    assert isinstance(record, StepSucceeded)
    np.testing.assert_array_equal(record.result, vector)


def test_a_record_of_an_earlier_release_lacks_what_was_added_since() -> None:
    earlier = orjson.loads(codec.encode(InstanceCreated({"number": 1}, 2, ORIGIN)))
    del earlier["replay"], earlier["trace"]
    assert codec.decode(orjson.dumps(earlier)) == InstanceCreated({"number": 1}, 2, ORIGIN)


def test_a_field_of_a_later_release_is_ignored() -> None:
    data = orjson.loads(codec.encode(RECORDS[0])) | {"since_next_year": True}
    assert codec.decode(orjson.dumps(data)) == RECORDS[0]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "not a journal record"),
        (b"\x00\x00\x00\x00\x01avro", "not a journal record"),
        (b"[]", "not a journal record"),
        (b'{"kind":"StepSucceeded"}', "not a journal record"),
        (b'{"v":2,"kind":"StepSucceeded"}', "version 2: this release reads version 1"),
        (b'{"v":1,"kind":"StepExploded"}', "kind 'StepExploded'"),
        (b'{"v":1,"kind":"OwnerClaimed","worker":"w"}', "OwnerClaimed: .*claim"),
    ],
)
def test_what_is_no_record_of_ours_is_refused(raw: bytes, problem: str) -> None:
    with pytest.raises(JournalCorrupt, match=problem):
        codec.decode(raw)


def test_an_instance_key_comes_back_as_it_went() -> None:
    key = InstanceKey("embed-content", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
    assert InstanceKey.decode(key.encode()) == key


@pytest.mark.parametrize("raw", [b"", b"no-slash", b"/instance", b"workflow/", b"\xff\xfe"])
def test_another_key_is_refused(raw: bytes) -> None:
    with pytest.raises(JournalCorrupt, match="workflow/instance"):
        InstanceKey.decode(raw)
