"""`Rows` of one partition on the two tables. A history key is the instance key, NUL, the offset."""

from collections.abc import Iterator

from stepwell.streams.agents.census import Census
from stepwell.streams.kafka.tables import RowTable


class TableRows:
    """Rows of one journal partition in the tables of the worker."""

    def __init__(self, headers: RowTable, history: RowTable, partition: int) -> None:
        self._headers = headers
        self._history = history
        self._partition = partition
        self.census = Census(self.headers())

    def header(self, key: bytes) -> bytes | None:
        """The header row of an instance."""
        return self._headers.row(self._partition, key)

    def put_header(self, key: bytes, value: bytes) -> None:
        """Write the header row of an instance."""
        self.census.changed(key, self.header(key), value)
        self._headers.put(self._partition, key, value)

    def delete_header(self, key: bytes) -> None:
        """Delete the header row of an instance."""
        self.census.changed(key, self.header(key), None)
        self._headers.delete(self._partition, key)

    def headers(self) -> Iterator[tuple[bytes, bytes]]:
        """All header rows as they are now; writing meanwhile does no harm."""
        return self._headers.partition_rows(self._partition)

    def history_row(self, key: bytes, offset: int) -> bytes | None:
        """The history row of one record."""
        return self._history.row(self._partition, _history_key(key, offset))

    def put_history(self, key: bytes, offset: int, value: bytes) -> None:
        """Write the history row of one record."""
        self._history.put(self._partition, _history_key(key, offset), value)

    def delete_history(self, key: bytes, offset: int) -> None:
        """Delete a history row."""
        self._history.delete(self._partition, _history_key(key, offset))

    def history(self, key: bytes) -> Iterator[tuple[int, bytes]]:
        """The history rows of one key, by ascending offset."""
        for row_key, value in self._history.scan(self._partition, key + b"\x00"):
            yield int(row_key[len(key) + 1 :], 16), value


def _history_key(key: bytes, offset: int) -> bytes:
    return b"%b\x00%016x" % (key, offset)
