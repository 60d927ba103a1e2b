"""How the steps of a workflow went lately: told from the records of its newest instances.

A sample is bounded in instances and in records, so that asking takes the same time however many
instances there are; nothing has to be kept for it while the journal is read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import cast

import apsw

from stepwell.schemas import codec
from stepwell.schemas.commands import StepKind
from stepwell.schemas.journal import Entry, InstanceKey
from stepwell.streams.engine.history import History
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import Status
from stepwell.streams.gateway.timeline import Timeline
from stepwell.streams.lists import Pulse, StepStatistics, WorkflowStatistics
from stepwell.streams.views import StepView

_Newest = tuple[int, str, str, int, int]
_Child = tuple[str, int, str, str, int]
INSTANCES_MAX = 300
RECORDS_MAX = 6_000


def statistics_of(
    connection: apsw.Connection,
    workflow: str,
    *,
    instances_max: int = INSTANCES_MAX,
    records_max: int = RECORDS_MAX,
) -> WorkflowStatistics:
    """Those of a workflow; one that has no instances has no counts."""
    counted = connection.execute(
        "SELECT status, count(*) FROM instances WHERE workflow = ? GROUP BY status ORDER BY status",
        (workflow,),
    )
    counts = dict(cast("list[tuple[str, int]]", counted.fetchall()))
    sample = _Sample()
    newest = connection.execute(
        "SELECT id, instance, status, created_ms, updated_ms FROM instances WHERE workflow = ?"
        " ORDER BY created_ms DESC, id DESC LIMIT ?",
        (workflow, instances_max),
    ).fetchall()
    left = records_max
    for number, name, status, created_ms, updated_ms in cast("list[_Newest]", newest):
        found = connection.execute(
            "SELECT offset, value FROM records WHERE id = ? ORDER BY offset LIMIT ?",
            (number, left + 1),
        ).fetchall()
        records = cast("list[tuple[int, bytes]]", found)
        left -= len(records)
        if left < 0 and sample.instances:
            break
        timeline = _timeline(connection, InstanceKey(workflow, name), records)
        sample.add(timeline.steps(over=Status(status).terminal))
        if status == Status.COMPLETE:
            sample.durations_ms.append(updated_ms - created_ms)
    p50_ms, p95_ms = percentiles(sample.durations_ms)
    return WorkflowStatistics(
        workflow, counts, sample.instances, sample.statistics(), p50_ms, p95_ms
    )


def percentiles(values: Iterable[int]) -> tuple[int | None, int | None]:
    """The value that half are at most, and that of 95 in 100; None: there are none."""
    found = sorted(values)
    if not found:
        return None, None
    return found[ceil(len(found) * 0.5) - 1], found[ceil(len(found) * 0.95) - 1]


@dataclass(slots=True)
class _Tally:
    count: int = 0
    complete: int = 0
    failed: int = 0
    attempts: int = 0
    durations_ms: list[int] = field(default_factory=list)

    def add(self, step: StepView) -> None:
        self.count += 1
        self.complete += step.status == "complete"
        self.failed += step.status == "errored"
        self.attempts += step.attempts
        if step.started_ms is not None and step.finished_ms is not None:
            self.durations_ms.append(max(0, step.finished_ms - step.started_ms))


@dataclass(slots=True)
class _Sample:
    instances: int = 0
    durations_ms: list[int] = field(default_factory=list)
    _tallies: dict[tuple[str, str], _Tally] = field(default_factory=dict)

    def add(self, steps: Iterable[StepView]) -> None:
        self.instances += 1
        for step in steps:
            self._tallies.setdefault((step.name, step.kind), _Tally()).add(step)

    def statistics(self) -> tuple[StepStatistics, ...]:
        return tuple(
            StepStatistics(
                name, kind, it.count, it.complete, it.failed, it.attempts,
                *percentiles(it.durations_ms),
            )
            for (name, kind), it in self._tallies.items()
        )  # fmt: skip


def _timeline(
    connection: apsw.Connection, key: InstanceKey, records: Sequence[tuple[int, bytes]]
) -> Timeline:
    """The present run of an instance, with its children: only they know when they began."""
    history = History()
    for offset, value in records:
        history.take(Entry(offset, codec.decode(value)))
    timeline = Timeline.of(history.records)
    run = history.state.run if history.state else -1
    children = connection.execute(
        "SELECT parent_step, parent_occurrence, workflow, instance, created_ms FROM instances"
        " WHERE parent = ? AND parent_run = ? LIMIT ?",
        (str(key), run, RECORDS_MAX),
    ).fetchall()
    for step, occurrence, workflow, instance, at_ms in cast("list[_Child]", children):
        child = StepKey(step, occurrence, StepKind.CHILD)
        timeline.add_child(child, str(InstanceKey(workflow, instance)), at_ms)
    return timeline


def pulse_of(connection: apsw.Connection) -> Pulse:
    """All instances by status, and when something happened last."""
    found = connection.execute(
        "SELECT status, count(*), max(updated_ms) FROM instances GROUP BY status ORDER BY status"
    ).fetchall()
    rows = cast("list[tuple[str, int, int]]", found)
    last_ms = max((at_ms for _, _, at_ms in rows), default=None)
    return Pulse({status: count for status, count, _ in rows}, last_ms)
