"""Which records of one partition are done, and up to where that may be committed."""

from collections import deque


class Frontier:
    """The delivered offsets of one partition, in order, and which of them are finished.

    Only delivered offsets count: whatever compaction or transaction markers left out was never
    there, so a gap never holds the frontier back, and an unfinished record always does.
    """

    __slots__ = ("_finished_early", "_next", "_open")

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._finished_early: set[int] = set()
        self._next: int | None = None

    def deliver(self, offset: int) -> None:
        """Note a record that was handed out. Offsets rise."""
        self._open.append(offset)

    def finish(self, offset: int) -> None:
        """Note that a delivered record is done, in any order."""
        waiting = self._open
        if not waiting or waiting[0] != offset:
            self._finished_early.add(offset)
            return
        waiting.popleft()
        self._next = offset + 1
        early = self._finished_early
        while early and waiting and waiting[0] in early:
            head = waiting.popleft()
            early.discard(head)
            self._next = head + 1

    def position(self) -> int | None:
        """The offset to commit: everything delivered below it is done. None when nothing is."""
        if self._next is None:
            return None
        return self._open[0] if self._open else self._next

    @property
    def oldest(self) -> int | None:
        """The first delivered record that is not done; None when all are."""
        return self._open[0] if self._open else None

    @property
    def unfinished(self) -> int:
        """How many delivered records are not done."""
        return len(self._open) - len(self._finished_early)
