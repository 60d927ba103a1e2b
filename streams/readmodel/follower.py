"""Keeps a read model current: reads the journal where it left off, and does not hold up the loop.

Everything that touches the file happens in one thread of its own, a batch or a question at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from stepwell.streams.errors import BrokerUnavailable, StepwellError
from stepwell.streams.readmodel.changes import Changes
from stepwell.streams.readmodel.errors import JournalReplaced
from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.readmodel.projection import Row

log = structlog.get_logger(__name__)

RETRY_MS = 1_000
NO_TOPIC = "there is no journal topic: stepwell topics ensure creates it"
T = TypeVar("T")


class Feed(Protocol):
    """The journal; `kafka.feed.Feed` is the real one."""

    async def bounds(self) -> Mapping[int, tuple[int, int]]:
        """The first offset of each partition, and the one after its last record."""
        ...

    def begin(self, starts: Mapping[int, int]) -> None:
        """Give out what lies at these offsets and later."""
        ...

    async def rows(self) -> list[Row] | None:
        """What has come; None: what comes next is gone."""
        ...

    async def reached(self, bounds: Mapping[int, tuple[int, int]]) -> bool:
        """Whether everything before these ends was given out."""
        ...


OpenFeed = Callable[[], AbstractAsyncContextManager[Feed]]


class Follower:
    """A read model, and the journal that it follows. Open it with `following` or `caught_up`."""

    def __init__(self, open_feed: OpenFeed, path: Path | None, *, retry_ms: int = RETRY_MS) -> None:
        self._open_feed = open_feed
        self._path = path
        self._retry_ms = retry_ms
        self._thread = ThreadPoolExecutor(1, "read-model")
        self._model: ReadModel | None = None
        self._positions: dict[int, int] = {}
        self._moved = asyncio.Event()
        self._is_untidy = False
        """Something was deleted since the last pause."""
        self.changes = Changes()
        """What happens from now on, for those who want to be told."""
        self.current = asyncio.Event()
        """Everything that was in the journal when it was opened is known."""

    async def ask(self, question: Callable[[ReadModel], T]) -> T:
        """Have the model answer, between two batches."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: question(self._opened())
        )

    async def passed(self, partition: int, offset: int) -> None:
        """Wait until the record that lies there is known."""
        while self._positions.get(partition, 0) <= offset:
            await self._moved.wait()

    def more(self) -> asyncio.Event:
        """Is set when more is known than now."""
        return self._moved

    async def follow(self) -> None:
        """Read for ever; whatever is away for a while is tried again."""
        said = ""
        while True:
            try:
                await self._follow()
            except StepwellError as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("read model waits", why=said)
            await asyncio.sleep(self._retry_ms / 1000)

    async def catch_up(self) -> None:
        """Read what the journal holds now; raises `BrokerUnavailable`, `ReadModelUnavailable`."""
        while not self.current.is_set():
            with suppress(JournalReplaced):  # it is read from its beginning then
                async with self._open_feed() as feed:
                    bounds = await self._begin(feed)
                    await self._read(feed, bounds)

    async def close(self) -> None:
        """End the thread; the model stays open for whoever got it by `ask`."""
        self._thread.shutdown(wait=True)

    # --- inside -------------------------------------------------------------------------------

    async def _follow(self) -> None:
        with suppress(JournalReplaced):
            async with self._open_feed() as feed:
                bounds = await self._begin(feed)
                if not bounds:
                    raise BrokerUnavailable(NO_TOPIC)
                await self._read(feed, bounds)
                while True:
                    await self._step(feed)

    async def _read(self, feed: Feed, bounds: Mapping[int, tuple[int, int]]) -> None:
        while bounds and not await feed.reached(bounds):
            await self._step(feed)
        self.current.set()

    async def _begin(self, feed: Feed) -> Mapping[int, tuple[int, int]]:
        """Find out where to go on, and whether this is the journal that was read before."""
        bounds = await feed.bounds()
        positions = await self.ask(lambda model: model.positions)
        if positions and not bounds:  # it may be back in a moment
            raise BrokerUnavailable(NO_TOPIC)
        for partition, known in positions.items():
            first, end = bounds.get(partition, (0, 0))
            if known > end or known < first:
                what = "is shorter than it was" if known > end else "has lost what was not read yet"
                await self._make_anew(f"partition {partition} {what}")
                positions = {}
                break
        for partition, (first, _) in bounds.items():
            if first > positions.get(partition, 0) == 0:
                what = "the journal begins late: instances from before are not known"
                log.warning(what, partition=partition, offset=first)
        # The last record that was read is read again: it must be the same.
        starts = {p: max(first, positions.get(p, 0) - 1) for p, (first, _) in bounds.items()}
        feed.begin(starts)
        self._positions = positions
        self.changes.begin(positions)
        self._tell()
        return bounds

    async def _step(self, feed: Feed) -> None:
        rows = await feed.rows()
        if rows is None:
            raise JournalReplaced("what comes next is gone")  # how much, shows the next beginning
        if not rows:
            if self._is_untidy:
                await self.ask(lambda model: model.wipe())
                self._is_untidy = False
            return
        try:
            changes = await self.ask(lambda model: model.take(rows))
        except JournalReplaced as error:
            await self._make_anew(str(error))
            raise
        for partition, offset, _, _ in rows:
            self._positions[partition] = max(offset + 1, self._positions.get(partition, 0))
        self.changes.add(self._positions, changes)
        self._is_untidy |= any(change.status is None for change in changes)
        self._tell()

    def _tell(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def _make_anew(self, why: str) -> None:
        log.warning("read model is made anew: the journal is another one", why=why)
        self.current.clear()
        await self.ask(lambda model: model.make_anew())

    def _opened(self) -> ReadModel:
        if self._model is None:
            self._model = ReadModel(self._path)
        return self._model


@asynccontextmanager
async def following(
    open_feed: OpenFeed, path: Path | None, *, retry_ms: int = RETRY_MS
) -> AsyncIterator[Follower]:
    """A follower that reads for as long as this is open; raises `ReadModelUnavailable`."""
    follower = Follower(open_feed, path, retry_ms=retry_ms)

    def ended(reading: asyncio.Task[None]) -> None:
        if not reading.cancelled():
            log.error("read model is not kept current any more", exc_info=reading.exception())
            follower.current.clear()  # better no answer than an old one

    try:
        await follower.ask(lambda _: None)
        reading = asyncio.create_task(follower.follow())
        reading.add_done_callback(ended)
        try:
            yield follower
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            await follower.ask(lambda model: model.close())
    finally:
        await follower.close()


async def caught_up(open_feed: OpenFeed, path: Path | None) -> ReadModel:
    """A read model that knows what the journal holds now; the caller closes it."""
    follower = Follower(open_feed, path)
    try:
        await follower.catch_up()
        return await follower.ask(lambda model: model)
    finally:
        await follower.close()
