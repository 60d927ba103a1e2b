"""How many instances a partition holds, by workflow and status: counted once, then kept up."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice

import orjson

COUNTED_AT_ONCE = 1000
"""So many header rows are counted in one turn of the loop: heartbeats must get through."""


class Census:
    """Counts the header rows of one partition. Told of each change, it need not look again."""

    def __init__(self, headers: Iterator[tuple[bytes, bytes]]) -> None:
        """`headers` are those of now: what changes after the first was read must not show."""
        self.counts: Counter[tuple[str, str]] = Counter()
        """By workflow and status; too low until `count_some` has said that it is over."""
        self._headers = headers
        self.count_some()

    def count_some(self) -> bool:
        """Count some more of the rows; whether there may be others."""
        rows = list(islice(self._headers, COUNTED_AT_ONCE))
        self.counts.update(_place(key, header) for key, header in rows)
        return len(rows) == COUNTED_AT_ONCE

    def changed(self, key: bytes, before: bytes | None, after: bytes | None) -> None:
        """A header row was another one, or none, before this one was written, or deleted."""
        if before is not None:
            self.counts[_place(key, before)] -= 1
        if after is not None:
            self.counts[_place(key, after)] += 1


def _place(key: bytes, header: bytes) -> tuple[str, str]:
    return key.partition(b"/")[0].decode(), orjson.loads(header)["status"]
