"""What is told of records that come again after a crash: the telling may have been lost as well."""

from stepwell.schemas import codec
from stepwell.schemas.journal import Entry, InstanceKey, InstanceRecord
from stepwell.streams.engine.fold import refold
from stepwell.streams.engine.state import InstanceState, Status
from stepwell.streams.runtime.rows import Rows
from stepwell.streams.runtime.surroundings import Announce


class Retelling:
    """Announces again what redelivered records had changed; each instance is folded once for it.

    Of a run that a later one has replaced, and of an instance that is gone, no rows tell it.
    """

    def __init__(self, rows: Rows, announce: Announce) -> None:
        self._rows = rows
        self._announce = announce
        self._changes: dict[bytes, dict[int, Status]] = {}

    def tell(self, offset: int, key: bytes, record: InstanceRecord) -> None:
        """Announce what this record, whose row is there, had changed, if anything."""
        if key not in self._changes:
            self._changes[key] = changes_from(self._rows, key, offset)
        if status := self._changes[key].get(offset):
            self._announce(InstanceKey.decode(key), status, offset, record)

    def over(self) -> None:
        """No more records come again."""
        self._changes.clear()


def changes_from(rows: Rows, key: bytes, first_offset: int) -> dict[int, Status]:
    """The status after each record, from this one on, that changed it or began a run."""
    changes: dict[int, Status] = {}
    state: InstanceState | None = None
    before: tuple[Status, int] | None = None
    for offset, raw in rows.history(key):
        record = codec.decode(raw)
        assert isinstance(record, InstanceRecord)
        state = refold(state, Entry(offset, record))
        after = (state.status, state.run) if state else None
        if state and after != before and offset >= first_offset:
            changes[offset] = state.status
        before = after
    return changes
