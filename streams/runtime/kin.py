"""Tells the relatives of a partition's instances what they must know, again after a crash."""

from stepwell.schemas.commands import DeleteRequested, RestartRequested, TerminateRequested
from stepwell.schemas.journal import InstanceCreated, InstanceKey, InstanceRecord
from stepwell.streams.engine.effects import CancelStep
from stepwell.streams.engine.fold import ended_as
from stepwell.streams.engine.state import Status
from stepwell.streams.runtime.carrier import Carrier
from stepwell.streams.runtime.relatives import (
    Message,
    child_cancelled,
    child_ended,
    child_exists,
    child_refused,
    follower_created,
)
from stepwell.streams.runtime.rows import Rows, load
from stepwell.streams.runtime.surroundings import Surroundings


class Kin:
    """Parents, children and followers of instances; they lie in any partition."""

    def __init__(self, rows: Rows, carrier: Carrier, around: Surroundings) -> None:
        self._rows = rows
        self._carrier = carrier
        self._around = around

    def created(self, key: bytes, record: InstanceRecord) -> None:
        """A parent that does not wait for the end of its child hears that there is one."""
        if isinstance(record, InstanceCreated) and record.parent is not None:
            self._send(child_exists(record.parent, InstanceKey.decode(key), record.at_ms))

    def ended(
        self, key: bytes, created: InstanceCreated, status: Status, record: InstanceRecord
    ) -> None:
        """The parent hears of the end, and those are started that follow."""
        name = InstanceKey.decode(key)
        if created.parent is not None:
            self._send(child_ended(created.parent, name, status, record))
        for follower in self._around.followers(name.workflow, status):
            self._send(follower_created(follower, name, status, record, created.trace))

    def refused(self, key: bytes, record: InstanceCreated) -> None:
        """A parent asks again after a crash, or has met somebody else's instance of that id."""
        if record.parent is None:
            return  # the common case, a delivery that came again: nothing to look up
        name = InstanceKey.decode(key)
        if not record.parent.awaited:
            self._send(child_exists(record.parent, name, record.at_ms))
            return
        history = load(self._rows, key)
        if history is None or history.created is None:
            return
        if history.created.parent != record.parent:
            self._send(child_refused(record.parent, name, record.at_ms))
        elif ended := ended_as(history.last):
            self.ended(key, history.created, ended, history.last)

    def let_children_go(self, offset: int, key: bytes, record: InstanceRecord) -> None:
        """Who ends an instance from outside ends the children that it waits for."""
        if isinstance(record, TerminateRequested) and record.rollback:
            return  # its own code lets them go
        if isinstance(record, TerminateRequested | RestartRequested | DeleteRequested):
            for child in self._carrier.awaited_children(key, offset):
                cancel = CancelStep(child.key, (child.workflow, child.instance))
                self._send(child_cancelled(cancel, key.decode(), record.at_ms))

    def let_abandoned_go(self, key: bytes) -> None:
        """Repeat what a crash may have lost: the code of an ended instance gave up children."""
        for effect in self._carrier.replayed(key):
            if isinstance(effect, CancelStep):
                self._send(child_cancelled(effect, key.decode(), self._around.clock()))

    def _send(self, message: Message | None) -> None:
        if message is not None:
            self._around.append_instance(*message)
