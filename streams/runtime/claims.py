"""Who has owned a partition: its claims and releases, kept as rows."""

from stepwell.schemas.journal import OWNER_KEY, OwnerClaimed, OwnerRecord
from stepwell.streams.engine.fold import fold_claim
from stepwell.streams.engine.state import PartitionState
from stepwell.streams.runtime.rows import Rows, decode_owner

KEPT = 16
"""Rows are kept of so many claims and releases."""


class Claims:
    """The last claims of a partition, and which of their owners died."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._taken = {offset: decode_owner(raw) for offset, raw in rows.history(OWNER_KEY)}
        self.partition = PartitionState(epoch=max(self._claims(), default=-1))

    def take(self, offset: int, record: OwnerRecord, value: bytes) -> None:
        """A claim or a release was read; no-op when it was read before."""
        is_claim = isinstance(record, OwnerClaimed)
        if not (fold_claim(self.partition, offset) if is_claim else offset not in self._taken):
            return
        self._rows.put_history(OWNER_KEY, offset, value)
        self._taken[offset] = record
        for old in sorted(self._taken)[:-KEPT]:
            self._rows.delete_history(OWNER_KEY, old)
            del self._taken[old]

    @property
    def lost(self) -> tuple[int, ...]:
        """The claims whose owner did not give the partition up: it died, or owns it now.

        Who gives it up when another one has claimed it was frozen, and what it writes may be late.
        """
        released: set[str] = set()
        newest = ""
        for _, record in sorted(self._taken.items()):
            if isinstance(record, OwnerClaimed):
                newest = record.claim
            elif record.claim == newest:
                released.add(record.claim)
        claims = self._claims().items()
        return tuple(offset for offset, claim in claims if claim.claim not in released)

    def _claims(self) -> dict[int, OwnerClaimed]:
        taken = sorted(self._taken.items())
        return {offset: record for offset, record in taken if isinstance(record, OwnerClaimed)}
