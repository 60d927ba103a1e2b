"""Appends what starts instances, no faster than they may be started."""

import asyncio
from collections.abc import Awaitable, Callable

from stepwell.schemas import codec
from stepwell.schemas.cloudevents import EventRecord
from stepwell.schemas.journal import InstanceKey, InstanceRecord
from stepwell.streams.engine.state import Status
from stepwell.streams.replay.flight import Flight
from stepwell.streams.replay.plan import Progress, Result, Ticket
from stepwell.streams.replay.selection import Sent

APPENDS_AT_ONCE = 100

Append = Callable[[EventRecord], Awaitable[object]]
"""Returns when the record is safe."""
Report = Callable[[Progress], None]


class Starts:
    """Appends what starts instances, no faster than they may be started."""

    def __init__(
        self,
        ticket: Ticket,
        append: Append,
        flight: Flight,
        follower: "asyncio.Task[None]",
        report: Report,
    ) -> None:
        self.ticket = ticket
        self.total = self.already_done = self._done = 0
        self._append = append
        self._flight = flight
        self._follower = follower
        self._report = report
        self._pending: list[Sent] = []

    async def add(self, key: InstanceKey, record: InstanceRecord) -> None:
        """Start one, when there is room."""
        if self._flight.is_full:
            await self.flush()
            while self._flight.is_full:
                await self._news()
        await self._flight.turn(asyncio.sleep)
        self._flight.start(key)
        self._done += 1
        await self.send(key, record)

    async def send(self, key: InstanceKey, record: InstanceRecord) -> None:
        """Append a record, together with others."""
        self._pending.append((key, record))
        if len(self._pending) >= APPENDS_AT_ONCE or self._flight.is_paced:
            await self.flush()

    async def flush(self) -> None:
        """Wait until what was appended is safe."""
        pending, self._pending = self._pending, []
        await asyncio.gather(
            *(
                self._append(EventRecord(key.encode(), codec.encode(record), []))
                for key, record in pending
            )
        )
        self._tell()

    async def finish(self, *, wait: bool) -> None:
        """All are started; with `wait`, all have ended."""
        await self.flush()
        while wait and self._flight.size:
            await self._news()

    def result(self) -> Result:
        """What was done."""
        return Result(
            self.ticket.id,
            self.ticket.mode,
            done=self._done,
            already_done=self.already_done,
            outcomes=dict(self._flight.outcomes),
        )

    async def _news(self) -> None:
        """Until an instance has ended; raises what ended the follower."""
        landed = asyncio.create_task(self._flight.wait())
        try:
            await asyncio.wait({landed, self._follower}, return_when=asyncio.FIRST_COMPLETED)
            if self._follower.done():
                await self._follower
        finally:
            landed.cancel()
        self._tell()

    def _tell(self) -> None:
        outcomes = self._flight.outcomes
        ended = outcomes.total()
        failed = ended - outcomes[Status.COMPLETE]
        done = self.already_done + self._done - len(self._pending)
        self._report(Progress(self.ticket.id, done, self.total, ended, failed))
