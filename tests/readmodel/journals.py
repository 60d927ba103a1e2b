"""Journals to project: of simulated lives, and of records that nobody would write in that order."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

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
from stepwell.schemas.journal import (
    OWNER_KEY,
    AttemptFailed,
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
    JournalRecord,
    OwnerClaimed,
    SleepStarted,
    StepSucceeded,
    TimerFired,
    WaitStarted,
)
from stepwell.schemas.parts import ErrorInfo, Origin, Parent
from stepwell.streams.gateway.ledger import Ledger
from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.readmodel.projection import Row
from tests.simulation.lives import run_life

BOOM = ErrorInfo("Boom", "it broke")
COMMAND_IDS = 40
"""So few that some come twice."""


def life(seed: int) -> list[Row]:
    """What workers and others wrote in a life full of crashes, as a reader may get it."""
    journals = [durable.journal for durable in run_life(seed).durables]
    return shuffled(Random(seed), journals)


def shuffled(random: Random, journals: Sequence[Sequence[tuple[bytes, bytes]]]) -> list[Row]:
    """The records of some partitions, each in its order, the partitions in any."""
    positions = [0] * len(journals)
    rows: list[Row] = []
    while open_ones := [n for n, at in enumerate(positions) if at < len(journals[n])]:
        partition = random.choice(open_ones)
        at = positions[partition]
        rows.append((partition, at, *journals[partition][at]))
        positions[partition] += 1
    return rows


def chaos(seed: int, length: int) -> list[Row]:
    """Records of every kind about few instances in one partition, most of which are refused."""
    random = Random(seed)
    ledger, rows = Ledger(), list[Row]()
    names = [b"order/a", b"order/b", b"audit/a"]
    for offset in range(length):
        key = random.choice(names)
        found = ledger.recording(InstanceKey.decode(key))
        record = any_record(random, offset, found.number if found else 0)
        if isinstance(record, OwnerClaimed):
            key = OWNER_KEY
        row = (0, offset, key, codec.encode(record))
        ledger.take(*row)
        rows.append(row)
    rows.insert(length // 2, (1, 0, b"order/z", b"junk"))
    return rows


def any_record(random: Random, offset: int, run: int) -> JournalRecord:
    """A record that may fit the present run."""
    at, step, call = 1_000 + offset, random.choice("xyz"), random.randint(1, 3)
    name = f"c-{random.randint(1, COMMAND_IDS)}"
    origin = Origin("e", "t", "s", f"subject-{call}", "t", 0, 0)
    parent = Parent("order/a", run, step, 1, call, awaited=True)
    records: tuple[JournalRecord, ...] = (
        OwnerClaimed("w", "c", at),
        InstanceCreated({"at": at}, at, origin=random.choice((None, origin))),
        InstanceCreated({"at": at}, at, parent=random.choice((None, parent))),
        InstanceCreated({"at": at}, at, debounce_ms=5),
        InstanceQueued(run, offset, at, "full"),
        InstanceStarted(run, offset, at),
        InstanceIdled(run, offset, at, offset - 1),
        StepSucceeded(run, step, 1, 1, offset, at, at, at, call=call),
        StepSucceeded(run, step, 1, 1, offset, at, at, at, call=call),
        AttemptFailed(run, step, 1, 1, offset, at, at, BOOM, at, call=call),
        SleepStarted(run, step, 1, offset, at, at, call),
        TimerFired(run, step, 1, offset, at),
        WaitStarted(run, step, 1, offset, at, "go", {}, at, call),
        EventReceived("go", at, at, name),
        PauseRequested(at, random.choice(("", "lunch")), name),
        InstancePaused(run, offset, at, "requested", ""),
        InstancePaused(run, offset, at, "diverged", "so"),
        InstanceResumed(run, offset, at, ""),
        ResumeRequested(at),
        CancelRequested(at, command_id=name),
        InstanceContinued(run, offset, at, {"at": at}, offset - 5, [], [name]),
        InstanceCompleted(run, offset, at, at),
        InstanceErrored(run, offset, at, BOOM),
        TerminateRequested(at, random.random() < 0.5, "why", name),
        RestartRequested(at, None, "", name),
        RestartRequested(at, StepRef(step), "", name),
        DeleteRequested(at, "", name),
        InstancePurged(run, offset, at),
    )
    return random.choice(records)


def batches(random: Random, rows: Sequence[Row], size_max: int) -> Iterator[Sequence[Row]]:
    """The rows in batches of any size."""
    at = 0
    while at < len(rows):
        size = random.randint(1, size_max)
        yield rows[at : at + size]
        at += size


def told(reader: Ledger | ReadModel) -> list[Any]:
    """Everything that a reader can be told of instances, in an order that does not matter."""
    summaries = sorted(reader.summaries(), key=repr)
    found: list[Any] = []
    for summary in summaries:
        (details,) = reader.details(summary.workflow, summary.instance_id)
        key = InstanceKey.decode(f"{summary.workflow}/{summary.instance_id}".encode())
        children = sorted(details.children)
        steps = sorted(map(repr, details.steps))
        found.append((summary, details.params, details.output, details.run, details.events))
        found.append((children, steps, details.error, details.parent, reader.recording(key)))
    return [found, sorted(map(str, reader.unfinished())), sorted(map(str, reader.find(None, "a")))]
