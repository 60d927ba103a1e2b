"""Transactions: who writes under which id, what belongs to it, and how it ends.

An end is decided by one journal entry (`PREPARE_…`); from then on markers and offsets are only
carried out, again after a crash, until a second entry (`COMPLETE_…`) says that they are.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.config import BrokerConfig
from stepwell.streams.broker.coordination.groups import (
    Committed,
    Groups,
    Partition,
    offset_entries,
)
from stepwell.streams.broker.coordination.transaction import EPOCH_MAX, Status, Transaction
from stepwell.streams.broker.errors import Refused, StorageFailed
from stepwell.streams.broker.storage.journal import Journal, Json

IDS_RESERVED = 1000
"""Producer ids that one journal entry covers."""
IDLE_MS_MAX = 7 * 24 * 60 * 60 * 1000
"""A transactional id that was not used for so long is forgotten."""

WriteMarker = Callable[[Partition, int, int, bool], None]


class Identity(NamedTuple):
    """A producer id and its epoch."""

    producer_id: int
    epoch: int


class Transactions:
    """The coordinator of all transactions."""

    def __init__(
        self, journal: Journal, config: BrokerConfig, groups: Groups, write_marker: WriteMarker
    ) -> None:
        self._journal = journal
        self._config = config
        self._groups = groups
        self._write_marker = write_marker
        self._transactions: dict[str, Transaction] = {}
        self._next_id = 0
        self._reserved_until = 0

    # -- the producer's calls

    def init_producer(
        self, transactional_id: str | None, timeout_ms: int, known: Identity, now_ms: int
    ) -> Identity:
        """A producer's id and epoch; whoever had the transactional id before is fenced off."""
        if transactional_id is None:
            return Identity(self._new_producer_id(), 0)
        if not transactional_id:
            raise Refused(ErrorCode.INVALID_REQUEST, "the transactional id is empty")
        if not 0 < timeout_ms <= self._config.transaction_timeout_max_ms:
            raise Refused(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
        found = self._transactions.get(transactional_id)
        if found is None:
            found = Transaction(transactional_id, self._new_producer_id(), -1)
        else:
            if known.producer_id >= 0 and not found.may_renew(known.producer_id, known.epoch):
                raise Refused(ErrorCode.PRODUCER_FENCED)
            if found.status is Status.ONGOING:
                self._abort(found, now_ms)
            self._refuse_while_ending(found)
            found = self._transactions[transactional_id].copy()
        if found.epoch >= EPOCH_MAX:
            found.producer_id, found.epoch = self._new_producer_id(), -1
        found.renew(timeout_ms, now_ms)
        self._keep(found)
        self._transactions[transactional_id] = found
        return Identity(found.producer_id, found.epoch)

    def add_partitions(
        self,
        transactional_id: str,
        who: Identity,
        partitions: Sequence[Partition],
        now_ms: int,
    ) -> None:
        """Let partitions be written in the transaction, which begins with the first."""
        found = self._of(transactional_id, who)
        if found.status is Status.ONGOING and found.partitions.issuperset(partitions):
            return
        changed = found.begun(now_ms)
        changed.partitions.update(partitions)
        self._keep(changed)
        self._transactions[transactional_id] = changed

    def add_offsets(self, transactional_id: str, who: Identity, group_id: str, now_ms: int) -> None:
        """Let offsets of a group be committed in the transaction."""
        changed = self._of(transactional_id, who).begun(now_ms)
        changed.offsets.setdefault(group_id, {})
        self._keep(changed)
        self._transactions[transactional_id] = changed

    def commit_offsets(
        self,
        transactional_id: str,
        who: Identity,
        group_id: str,
        offsets: Mapping[Partition, Committed],
    ) -> None:
        """Commit offsets of a group if the transaction is committed."""
        found = self._of(transactional_id, who)
        if found.status is not Status.ONGOING or group_id not in found.offsets:
            raise Refused(ErrorCode.INVALID_TXN_STATE, "the group is not in the transaction")
        changed = found.copy()
        changed.offsets[group_id].update(offsets)
        self._keep(changed)
        self._transactions[transactional_id] = changed

    def prepare_end(
        self, transactional_id: str, who: Identity, now_ms: int, *, commit: bool
    ) -> Transaction | None:
        """Decide the end; the transaction to `finish`, or None if it has ended so already."""
        found = self._of(transactional_id, who)
        if found.status in {Status.COMPLETE_COMMIT, Status.COMPLETE_ABORT}:
            if (found.status is Status.COMPLETE_COMMIT) == commit:
                return None
            raise Refused(ErrorCode.INVALID_TXN_STATE, "it has ended otherwise")
        if found.status is not Status.ONGOING:
            raise Refused(ErrorCode.INVALID_TXN_STATE, "there is no transaction")
        status = Status.PREPARE_COMMIT if commit else Status.PREPARE_ABORT
        return self._prepare(found, status, now_ms)

    def finish(self, ending: Transaction) -> None:
        """Write the markers and take up the offsets; what fails is tried again by `expire`."""
        commit = ending.status is Status.PREPARE_COMMIT
        for partition in sorted(ending.partitions):
            self._write_marker(partition, ending.producer_id, ending.epoch, commit)
            ending.partitions.discard(partition)
        offsets = ending.offsets if commit else {}
        done = ending.ended()
        entries = [row for group, found in offsets.items() for row in offset_entries(group, found)]
        self._journal.put([*entries, done.entry()])
        self._transactions[done.transactional_id] = done
        for group_id, found in offsets.items():
            if found:
                self._groups.committed(group_id, found)

    # -- what others ask

    def check_batch(
        self, transactional_id: str | None, who: Identity, partition: Partition
    ) -> None:
        """Raise `Refused` unless the producer may write to the partition in its transaction."""
        found = self._transactions.get(transactional_id or "")
        if found is None or found.producer_id != who.producer_id:
            raise Refused(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        if found.epoch != who.epoch:
            raise Refused(ErrorCode.INVALID_PRODUCER_EPOCH)
        if found.status is not Status.ONGOING or partition not in found.partitions:
            raise Refused(ErrorCode.INVALID_TXN_STATE, "the partition is not in the transaction")

    def is_unstable(self, group_id: str, partition: Partition) -> bool:
        """Whether an undecided transaction may change a group's offset."""
        return any(
            partition in found.offsets.get(group_id, {}) for found in self._transactions.values()
        )

    # -- time, and restarts

    def expire(self, now_ms: int) -> None:
        """Abort what takes too long, finish what was left unfinished, forget what is unused."""
        for found in tuple(self._transactions.values()):
            try:
                if found.is_ending:
                    self.finish(found)
                elif found.status is Status.ONGOING:
                    if now_ms >= found.changed_ms + found.timeout_ms:
                        self._abort(found, now_ms)
                elif now_ms >= found.changed_ms + IDLE_MS_MAX:
                    self._journal.put([(("txn", found.transactional_id), None)])
                    del self._transactions[found.transactional_id]
            except StorageFailed:
                return  # the disk is full: the next call tries again

    def restore(self, transactional_id: str, value: Json) -> None:
        """Take up a transaction from the journal."""
        self._transactions[transactional_id] = Transaction.from_json(transactional_id, value)

    def restore_ids(self, reserved_until: int) -> None:
        """Give out no producer id below this."""
        self._next_id = self._reserved_until = reserved_until

    # -- within

    def _of(self, transactional_id: str, who: Identity) -> Transaction:
        found = self._transactions.get(transactional_id)
        if found is None or found.producer_id != who.producer_id:
            raise Refused(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        if found.epoch != who.epoch:
            raise Refused(ErrorCode.PRODUCER_FENCED)
        self._refuse_while_ending(found)
        return found

    def _refuse_while_ending(self, found: Transaction) -> None:
        if self._transactions[found.transactional_id].is_ending:
            raise Refused(ErrorCode.CONCURRENT_TRANSACTIONS)

    def _abort(self, found: Transaction, now_ms: int) -> None:
        """Abort for a producer that did not; it is fenced off by a higher epoch."""
        fenced = found.copy()
        fenced.last_epoch, fenced.epoch = fenced.epoch, min(fenced.epoch + 1, EPOCH_MAX)
        self.finish(self._prepare(fenced, Status.PREPARE_ABORT, now_ms))

    def _prepare(self, found: Transaction, status: Status, now_ms: int) -> Transaction:
        ending = found.copy()
        ending.status, ending.changed_ms = status, now_ms
        self._keep(ending)
        self._transactions[ending.transactional_id] = ending
        return ending

    def _keep(self, transaction: Transaction) -> None:
        self._journal.put([transaction.entry()])

    def _new_producer_id(self) -> int:
        if self._next_id >= self._reserved_until:
            until = self._next_id + IDS_RESERVED
            self._journal.put([(("producer_ids",), until)])
            self._reserved_until = until
        self._next_id += 1
        return self._next_id - 1
