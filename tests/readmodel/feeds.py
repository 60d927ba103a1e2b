"""A journal in memory that can be followed, cut off, lost and replaced."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from stepwell.schemas import codec
from stepwell.schemas.journal import JournalRecord
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.readmodel.projection import Row

ROWS_MAX = 7


class MemoryTopic:
    """Some partitions; `open` gives a feed of them that obeys `follower.Feed`."""

    def __init__(self, partitions: int = 2) -> None:
        self.first = [0] * partitions
        self.rows: list[list[Row]] = [[] for _ in range(partitions)]
        self.up = True
        self.read = 0
        """How many records were given out."""
        self.grown = asyncio.Event()

    def put(self, partition: int, key: str, record: JournalRecord) -> int:
        """Append a record; its offset."""
        offset = self.first[partition] + len(self.rows[partition])
        self.rows[partition].append((partition, offset, key.encode(), codec.encode(record)))
        self.grown.set()
        return offset

    def cut(self, partition: int, first: int) -> None:
        """Retention takes what lies before."""
        del self.rows[partition][: first - self.first[partition]]
        self.first[partition] = first

    @asynccontextmanager
    async def open(self) -> AsyncIterator["MemoryFeed"]:
        self.check()
        yield MemoryFeed(self)

    def check(self) -> None:
        if not self.up:
            raise BrokerUnavailable("the broker is down")


class MemoryFeed:
    """Where one reader is."""

    def __init__(self, topic: MemoryTopic) -> None:
        self._topic = topic
        self._at: dict[int, int] = {}

    async def bounds(self) -> Mapping[int, tuple[int, int]]:
        topic = self._topic
        firsts = enumerate(topic.first)
        return {number: (first, first + len(topic.rows[number])) for number, first in firsts}

    def begin(self, starts: Mapping[int, int]) -> None:
        self._at = dict(starts)

    async def rows(self) -> list[Row] | None:
        topic = self._topic
        topic.check()
        for partition, at in self._at.items():
            first = topic.first[partition]
            if at < first or at > first + len(topic.rows[partition]):
                return None
            if found := topic.rows[partition][at - first :][:ROWS_MAX]:
                self._at[partition] += len(found)
                topic.read += len(found)
                return found
        topic.grown.clear()
        try:
            async with asyncio.timeout(0.01):
                await topic.grown.wait()
        except TimeoutError:
            pass
        return []

    async def reached(self, bounds: Mapping[int, tuple[int, int]]) -> bool:
        return all(self._at[partition] >= end for partition, (_, end) in bounds.items())
