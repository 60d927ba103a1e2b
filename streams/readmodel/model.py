"""`ReadModel`: one file, what goes in and what can be asked of it."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stepwell.schemas.commands import StepKind
from stepwell.schemas.journal import InstanceKey
from stepwell.streams.engine.check import Recording
from stepwell.streams.engine.history import History
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import TERMINAL
from stepwell.streams.gateway.judging import Ruling
from stepwell.streams.gateway.telling import Child, details_of
from stepwell.streams.lists import (
    InstanceChange,
    InstanceFilters,
    InstancePage,
    Pulse,
    WorkflowStatistics,
    WorkflowView,
)
from stepwell.streams.readmodel import store
from stepwell.streams.readmodel.projection import STATES_MAX, Projection, Row
from stepwell.streams.readmodel.reading import COLUMNS, cursor_of, where
from stepwell.streams.readmodel.statistics import pulse_of, statistics_of
from stepwell.streams.views import InstanceDetails, InstanceSummary

LATEST = "latest"
EVERYTHING = InstanceFilters()
_RULING = "partition, offset, workflow, instance, kind, command, verdict, before, after, message"


class ReadModel:
    """Not for two threads at once. Several processes may share a file."""

    def __init__(self, path: Path | None = None, *, states_max: int = STATES_MAX) -> None:
        """Open the file, or one in memory; raises `ReadModelUnavailable`."""
        self._path = path
        self._connection = store.connect(path)
        self._projection = Projection(self._connection, states_max=states_max)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._connection.close()

    # --- what goes in -------------------------------------------------------------------------

    def take(self, rows: Iterable[Row]) -> list[InstanceChange]:
        """Take records, those of each partition in their order; known ones are passed over.

        Raises `JournalReplaced` when the last record that was read is another one now.
        """
        with store.translated(self._path):
            return self._projection.take(rows)

    def make_anew(self) -> None:
        """Forget everything, to read the journal from its beginning."""
        with store.translated(self._path):
            self._projection.make_anew()

    def wipe(self) -> None:
        """Leave no bytes of what was deleted beside the file."""
        with store.translated(self._path):
            self._projection.wipe()

    @property
    def positions(self) -> dict[int, int]:
        """The offset of the next record that is wanted, by partition."""
        return {number: it.next for number, it in store.read_places(self._connection).items()}

    @property
    def missing(self) -> dict[int, int]:
        """Partitions whose first records were gone already: up to which offset."""
        places = store.read_places(self._connection).items()
        return {number: it.first for number, it in places if it.first > 0}

    @property
    def unreadable(self) -> int:
        """How many records were no journal records of ours."""
        return sum(it.unreadable for it in store.read_places(self._connection).values())

    def dump(self) -> Iterator[str]:
        """Everything, a line for each row: equal dumps are equal read models."""
        return store.dump(self._connection)

    # --- lists --------------------------------------------------------------------------------

    def page(
        self,
        filters: InstanceFilters = EVERYTHING,
        *,
        limit: int,
        cursor: str | None = None,
        oldest_first: bool = False,
    ) -> InstancePage:
        """Instances, newest first; raises `InvalidRequest` for a cursor that is none."""
        condition, values = where(filters, cursor, oldest_first=oldest_first)
        order = "ASC" if oldest_first else "DESC"
        rows: list[tuple[Any, ...]] = self._connection.execute(
            f"SELECT {COLUMNS}, created_ms, id FROM instances {condition}"  # noqa: S608 - bound
            f" ORDER BY created_ms {order}, id {order} LIMIT ?",
            (*values, limit + 1),
        ).fetchall()
        shown = [InstanceSummary(*summary) for *summary, _, _ in rows[:limit]]
        following = cursor_of(*rows[limit - 1][-2:]) if len(rows) > limit else None
        return InstancePage(tuple(shown), following)

    def summaries(
        self, *, workflow: str | None = None, status: str | None = None, limit: int = -1
    ) -> list[InstanceSummary]:
        """The instances, newest first."""
        condition, values = where(InstanceFilters(workflow, status))
        rows = self._connection.execute(
            f"SELECT {COLUMNS} FROM instances {condition}"  # noqa: S608 - values are bound
            " ORDER BY created_ms DESC, id DESC LIMIT ?",
            (*values, limit),
        )
        return [InstanceSummary(*row) for row in rows]

    def workflows(self, filters: InstanceFilters = EVERYTHING) -> list[WorkflowView]:
        """The workflows by name, and how many of their instances are in which status."""
        condition, values = where(filters)
        rows = self._connection.execute(
            f"SELECT workflow, status, count(*) FROM instances {condition}"  # noqa: S608 - bound
            " GROUP BY workflow, status ORDER BY workflow, status",
            values,
        )
        found: dict[str, dict[str, int]] = {}
        for workflow, status, count in rows:
            found.setdefault(workflow, {})[status] = count
        return [WorkflowView(name, counts) for name, counts in found.items()]

    def pulse(self) -> Pulse:
        """All instances by status, and when something happened last."""
        return pulse_of(self._connection)

    def step_statistics(self, workflow: str) -> WorkflowStatistics:
        """How a workflow goes, by its newest instances; without counts there are none of it."""
        return statistics_of(self._connection, workflow)

    def find(self, workflow: str | None, instance_id: str) -> list[InstanceKey]:
        """The instances of that id, one for each workflow that has it; `latest` is the newest."""
        if instance_id == LATEST:
            newest = self.summaries(workflow=workflow, limit=1)
            return [InstanceKey(it.workflow, it.instance_id) for it in newest]
        rows = self._connection.execute(
            "SELECT workflow FROM instances WHERE instance = ? ORDER BY workflow", (instance_id,)
        )
        return [InstanceKey(name, instance_id) for (name,) in rows if workflow in (None, name)]

    def about(self, subjects: Iterable[str], workflows: Iterable[str]) -> dict[str, InstanceKey]:
        """The newest instance of these workflows that completed, by what it was about."""
        rows = self._connection.execute(
            "SELECT subject, workflow, instance, max(created_ms) FROM instances"
            " WHERE subject IN (SELECT value FROM json_each(?)) AND status = 'complete'"
            " AND workflow IN (SELECT value FROM json_each(?)) GROUP BY subject",
            (json.dumps(list(subjects)), json.dumps(list(workflows))),
        )
        return {subject: InstanceKey(name, it) for subject, name, it, _ in rows}

    def unfinished(self, workflow: str | None = None) -> list[InstanceKey]:
        """The instances that have not ended."""
        condition, values = where(InstanceFilters(workflow))
        rows = self._connection.execute(
            f"SELECT workflow, instance, status FROM instances {condition} ORDER BY id",  # noqa: S608
            values,
        )
        return [InstanceKey(name, it) for name, it, status in rows if status not in TERMINAL]

    # --- one instance -------------------------------------------------------------------------

    def summary(self, key: InstanceKey) -> InstanceSummary | None:
        """An instance in one line."""
        found = self._line(key)
        return found[1] if found else None

    def details(self, workflow: str | None, instance_id: str) -> Iterator[InstanceDetails]:
        """The instances of that id: one for each workflow that has it."""
        for key in self.find(workflow, instance_id):
            if found := self._line(key):
                number, summary = found
                history = store.read_history(self._connection, number)
                yield details_of(summary, history, self._children(key, history))

    def recording(self, key: InstanceKey) -> Recording | None:
        """The present run of an instance, for a replay elsewhere."""
        found = self._line(key)
        if found is None:
            return None
        history = store.read_history(self._connection, found[0])
        run = history.run(key)
        return Recording(key, run.number, run.began_ms, run.created, tuple(history.records))

    # --- what became of commands --------------------------------------------------------------

    def ruling(self, partition: int, offset: int) -> Ruling | None:
        """What became of the command that lies there; None: not there, or long ago."""
        known = self._projection.recent.get((partition, offset))
        return known or self._ruling("partition = ? AND offset = ?", (partition, offset))

    def command(self, command_id: str) -> Ruling | None:
        """What became of a command, or of an event by its id; None: not known, or long ago."""
        accepted = self._ruling("command = ? AND verdict = 'accepted'", (command_id,))
        return accepted or self._ruling("command = ? AND command <> ''", (command_id,))

    def commands(self, prefix: str) -> list[Ruling]:
        """What became of the commands whose ids begin so, in the order of their ids."""
        rows = self._connection.execute(
            f"SELECT {_RULING} FROM rulings WHERE command <> ''"  # noqa: S608 - bound
            " AND command >= ? AND command < ? ORDER BY command, partition, offset",
            (prefix, prefix + chr(0x10FFFF)),
        )
        return [Ruling(*row) for row in rows]

    # --- inside -------------------------------------------------------------------------------

    def _line(self, key: InstanceKey) -> tuple[int, InstanceSummary] | None:
        row = self._connection.execute(
            f"SELECT id, {COLUMNS} FROM instances WHERE instance = ? AND workflow = ?",  # noqa: S608
            (key.instance, key.workflow),
        ).fetchone()
        return (row[0], InstanceSummary(*row[1:])) if row else None

    def _children(self, key: InstanceKey, history: History) -> Iterator[Child]:
        assert history.state is not None
        rows = self._connection.execute(
            "SELECT workflow, instance, parent_step, parent_occurrence, created_ms FROM instances"
            " WHERE parent = ? AND parent_run = ? ORDER BY created_ms, id",
            (str(key), history.state.run),
        )
        for workflow, instance, step, occurrence, created_ms in rows:
            name = str(InstanceKey(workflow, instance))
            yield Child(StepKey(step, occurrence, StepKind.CHILD), name, created_ms)

    def _ruling(self, condition: str, values: tuple[str | int, ...]) -> Ruling | None:
        row = self._connection.execute(
            f"SELECT {_RULING} FROM rulings WHERE {condition}"  # noqa: S608 - bound
            " ORDER BY partition, offset DESC LIMIT 1",
            values,
        ).fetchone()
        return Ruling(*row) if row else None
