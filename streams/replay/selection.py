"""Which instances the records of a range are about, and what they become when they run again."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from stepwell.schemas import cloudevents, codec
from stepwell.schemas.errors import EventRejected, JournalCorrupt
from stepwell.schemas.journal import (
    InstanceCreated,
    InstanceKey,
    InstanceRecord,
)
from stepwell.schemas.parts import Lane, Replay
from stepwell.streams.agents.records import RawRecord
from stepwell.streams.agents.route import Routed, Routes
from stepwell.streams.engine.check import Recording
from stepwell.streams.replay.plan import Ticket
from stepwell.streams.runtime.schedules import Schedule

_NAMESPACE = uuid.UUID("a3c6a1a8-52a4-5d2e-9a49-61d29e0f6b3d")

Place = tuple[str, int, int]
"""A topic, a partition, an offset."""
Sent = tuple[InstanceKey, InstanceRecord]


def repeated(replay_id: str, key: InstanceKey) -> InstanceKey:
    """The instance that repeats another in a replay: always the same one."""
    return InstanceKey(key.workflow, str(uuid.uuid5(_NAMESPACE, f"{replay_id}\n{key}")))


def command_of(replay_id: str, key: InstanceKey) -> str:
    """The id of the command that resumes an instance in a replay."""
    return f"{replay_id}/{key}"


@dataclass(slots=True)
class Selection:
    """Takes every record of the ranges once (`survey`); then it knows what they are about."""

    ticket: Ticket
    journal: str
    """The name of the journal topic."""
    routes: Routes | None = None
    """For `rerun`: the triggers that say what an event starts."""
    creations: dict[InstanceKey, Place] = field(default_factory=dict)
    """Where the creation lies that counts, by the instance that is repeated."""
    keys: set[InstanceKey] = field(default_factory=set)
    """The instances whose creation lies in the journal's ranges."""
    places: set[Place] = field(default_factory=set)
    """The events that pass the filters."""
    messages: int = 0
    unreadable: int = 0

    def survey(self, record: RawRecord) -> bool:
        """Take note of a record; whether it passes the filters and is about instances."""
        if record.topic == self.journal:
            return self._survey_journal(record)
        try:
            event = cloudevents.decode(record.key, record.value, record.headers)
        except EventRejected:
            self.unreadable += 1
            return False
        if event is None or not self.ticket.filters.admit(event.type, event.subject, event.source):
            return False
        self.places.add(_place(record))
        if self.routes is None:
            return True
        routed = self.routes.of(event, record)
        if not isinstance(routed, list):
            self.unreadable += 1
            return False
        wanted = [each for each in routed if self._is_of_workflow(each.key)]
        for each in wanted:
            self._count(each, record)
        return bool(wanted)

    def creations_of(self, record: RawRecord) -> Iterator[Sent]:
        """The instances that a record starts again."""
        for key, made in self._made_of(record):
            if isinstance(made, InstanceCreated) and self.creations.get(key) == _place(record):
                again = Replay(self.ticket.id, str(key))
                yield (
                    repeated(self.ticket.id, key),
                    replace(
                        made,
                        at_ms=self.ticket.at_ms,
                        parent=None,
                        lane=Lane.BULK,  # it gives way to what happens now
                        debounce_ms=0,
                        replay=again,
                    ),
                )

    def messages_of(self, record: RawRecord) -> Iterator[Sent]:
        """What a record sends to instances that are started again."""
        for key, made in self._made_of(record):
            if not isinstance(made, InstanceCreated) and key in self.creations:
                yield repeated(self.ticket.id, key), made

    def has(self, recording: Recording) -> bool:
        """Whether an instance was started by one of the records."""
        if not self._is_of_workflow(recording.key):
            return False
        origin = recording.created.origin
        if origin and (origin.topic, origin.partition, origin.offset) in self.places:
            return True
        return recording.key in self.keys

    # --- inside -------------------------------------------------------------------------------

    def _survey_journal(self, record: RawRecord) -> bool:
        found = self._creation(record)
        if found is None:
            return False
        key, created = found
        self.keys.add(key)
        if not _begins_by_itself(created, key):
            return True
        if created.debounce_ms > 0:
            self.creations[key] = _place(record)
        else:
            self.creations.setdefault(key, _place(record))
        return True

    def _creation(self, record: RawRecord) -> tuple[InstanceKey, InstanceCreated] | None:
        """The creation that a journal record is, if it is one that is meant."""
        if record.value is None:
            return None
        try:
            created = codec.decode(record.value)
            if not isinstance(created, InstanceCreated):
                return None
            key = InstanceKey.decode(record.key or b"")
        except JournalCorrupt:
            self.unreadable += 1
            return None
        origin, filters = created.origin, self.ticket.filters
        admitted = (
            filters.admit(origin.event_type, origin.subject, origin.source)
            if origin
            else filters.admit_all
        )
        return (key, created) if admitted and self._is_of_workflow(key) else None

    def _count(self, routed: Routed, record: RawRecord) -> None:
        if not isinstance(routed.record, InstanceCreated):
            self.messages += 1
        elif routed.record.debounce_ms > 0:
            self.creations[routed.key] = _place(record)  # the last one has the parameters
        else:
            self.creations.setdefault(routed.key, _place(record))

    def _made_of(self, record: RawRecord) -> Iterable[Sent]:
        if record.topic == self.journal:
            found = self._creation(record)
            return [found] if found else []
        if _place(record) not in self.places or self.routes is None:
            return []
        event = cloudevents.decode(record.key, record.value, record.headers)
        routed = self.routes.of(event, record) if event else []
        if not isinstance(routed, list):
            return []
        return [(each.key, each.record) for each in routed if self._is_of_workflow(each.key)]

    def _is_of_workflow(self, key: InstanceKey) -> bool:
        return self.ticket.workflow in (None, key.workflow)


def _place(record: RawRecord) -> Place:
    return record.topic, record.partition, record.offset


def _begins_by_itself(created: InstanceCreated, key: InstanceKey) -> bool:
    """Not what a parent, a replay or a cron trigger's own instance will start again."""
    if created.replay is not None or key.workflow == Schedule.name:
        return False
    return created.parent is None or created.schedule is not None
