"""What a partition knows of its producers: sequence numbers, open and aborted transactions.

All of it follows from the headers of the batches in the log, so a start can rebuild it.
"""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.errors import Refused
from stepwell.streams.broker.storage.batch import NO_PRODUCER, Batch
from stepwell.streams.broker.storage.checkpoint import ProducerRow

BATCHES_REMEMBERED = 5
"""As many requests as a producer may have under way; repetitions of these are recognised."""


class Written(NamedTuple):
    """A batch that a producer wrote."""

    first_sequence: int
    last_sequence: int
    base_offset: int
    timestamp: int


class AbortedTransaction(NamedTuple):
    """The records of a producer from `first_offset` to its marker at `last_offset` do not count."""

    producer_id: int
    first_offset: int
    last_offset: int


@dataclass(slots=True)
class _Producer:
    epoch: int
    last_ms: int
    written: deque[Written] = field(default_factory=lambda: deque(maxlen=BATCHES_REMEMBERED))
    open_from: int | None = None


class Producers:
    """The producers of one partition."""

    def __init__(self) -> None:
        self._known: dict[int, _Producer] = {}
        self._open: dict[int, int] = {}
        self._aborted: list[AbortedTransaction] = []

    @property
    def first_open_offset(self) -> int | None:
        """Where the oldest open transaction begins."""
        return min(self._open.values(), default=None)

    def check(self, batch: Batch) -> Written | None:
        """Raise unless the batch is next in its producer's order; the earlier one it repeats."""
        if batch.producer_id == NO_PRODUCER:
            return None
        known = self._known.get(batch.producer_id)
        if known is None:
            return None  # retention may have removed all it wrote: any sequence may begin
        if batch.producer_epoch < known.epoch:
            raise Refused(ErrorCode.INVALID_PRODUCER_EPOCH, "a newer producer has this id")
        if batch.producer_epoch > known.epoch:
            if batch.base_sequence != 0:
                raise Refused(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, "an epoch begins with 0")
            return None
        for earlier in known.written:
            if (earlier.first_sequence, earlier.last_sequence) == (
                batch.base_sequence,
                batch.last_sequence,
            ):
                return earlier
        if known.written:
            expected = (known.written[-1].last_sequence + 1) & 0x7FFFFFFF
            if batch.base_sequence != expected:
                detail = f"expected {expected}, not {batch.base_sequence}"
                raise Refused(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, detail)
        return None

    def note(self, batch: Batch, now_ms: int) -> None:
        """Take up a batch of records that lies in the log now."""
        if batch.producer_id == NO_PRODUCER:
            return
        producer = self._of(batch, now_ms)
        first, last = batch.base_sequence, batch.last_sequence
        producer.written.append(Written(first, last, batch.base_offset, batch.max_timestamp))
        if batch.is_transactional and producer.open_from is None:
            producer.open_from = self._open[batch.producer_id] = batch.base_offset

    def note_marker(self, batch: Batch, *, commit: bool, now_ms: int) -> None:
        """Take up the end of a transaction."""
        producer = self._of(batch, now_ms)
        first, producer.open_from = producer.open_from, None
        self._open.pop(batch.producer_id, None)
        if first is not None and not commit:
            ended = AbortedTransaction(batch.producer_id, first, batch.base_offset)
            self._aborted.append(ended)

    def aborted(self, from_offset: int, to_offset: int) -> list[AbortedTransaction]:
        """The aborted transactions with records in a range; its end is not part of it."""
        start = bisect_left(self._aborted, from_offset, key=lambda found: found.last_offset)
        return [found for found in self._aborted[start:] if found.first_offset < to_offset]

    def forget_below(self, start_offset: int) -> None:
        """Forget aborted transactions whose records are gone."""
        kept = bisect_left(self._aborted, start_offset, key=lambda found: found.last_offset)
        del self._aborted[:kept]

    def forget_idle(self, since_ms: int) -> None:
        """Forget producers that have been silent since a time, unless a transaction is open."""
        idle = [
            producer_id
            for producer_id, producer in self._known.items()
            if producer.last_ms < since_ms and producer.open_from is None
        ]
        for producer_id in idle:
            del self._known[producer_id]

    def rows(self) -> list[ProducerRow]:
        """As a checkpoint keeps the producers."""
        return [
            [
                identity,
                known.epoch,
                known.last_ms,
                known.open_from,
                [list(w) for w in known.written],
            ]
            for identity, known in self._known.items()
        ]

    def aborted_rows(self, from_offset: int) -> list[list[int]]:
        """As a checkpoint keeps the aborted transactions that ended at or after an offset."""
        start = bisect_left(self._aborted, from_offset, key=lambda found: found.last_offset)
        return [list(found) for found in self._aborted[start:]]

    def restore(self, rows: list[ProducerRow]) -> None:
        """Take up the producers of a checkpoint in place of what is known."""
        self._known.clear()
        self._open.clear()
        for identity, epoch, last_ms, open_from, written in rows:
            assert isinstance(identity, int)
            assert isinstance(epoch, int)
            assert isinstance(last_ms, int)
            assert isinstance(written, list)
            producer = _Producer(epoch, last_ms)
            producer.written.extend(Written(*numbers) for numbers in written)
            if isinstance(open_from, int):
                producer.open_from = self._open[identity] = open_from
            self._known[identity] = producer

    def restore_aborted(self, rows: list[list[int]]) -> None:
        """Take up the aborted transactions of the next segment's checkpoint."""
        self._aborted.extend(AbortedTransaction(*numbers) for numbers in rows)

    def _of(self, batch: Batch, now_ms: int) -> _Producer:
        producer = self._known.get(batch.producer_id)
        if producer is None:
            producer = self._known[batch.producer_id] = _Producer(batch.producer_epoch, now_ms)
        if producer.epoch != batch.producer_epoch:
            producer.epoch = batch.producer_epoch
            producer.written.clear()
        producer.last_ms = now_ms
        return producer
