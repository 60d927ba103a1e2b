"""What a test runs in: a deployment in memory, in which one thing after the other happens."""

import asyncio
import itertools
from collections.abc import Callable
from random import Random

import structlog

from stepwell.schemas import codec
from stepwell.schemas.commands import EventReceived, RestartRequested
from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.streams.gateway.control import Control
from stepwell.streams.gateway.folding import FoldedJournal
from stepwell.streams.gateway.judging import Judgement
from stepwell.streams.runtime.bodies import Job
from stepwell.streams.runtime.registry import Workflows
from stepwell.streams.spans import NO_TRACING, Tracing
from stepwell.streams.testing.mocks import Mocks
from stepwell.streams.testing.storage import MemoryJournal, Tables
from stepwell.streams.testing.timers import VirtualClock
from stepwell.streams.testing.worker import Worker

log = structlog.get_logger(__name__)

TURNS_AT_ONCE = 1_000
"""The loop is let go after so many turns in which no body was waited for."""

TURNS_FOR_BODIES = 20
"""A body that does not wait for the world ends within so many turns of the loop."""

HELD_BACK_S = 0.05
"""Completions are held back until all bodies have ended, or no other one ends for so long."""

EXPLAINED_AFTER_S = 10
"""A test that waits so long for a body is told for which."""


class World:
    """One worker at a time, and what outlives it."""

    def __init__(
        self,
        workflows: Workflows,
        now_ms: int,
        *,
        in_memory_max: int,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self.workflows = workflows
        self.tracing = tracing
        self.clock = VirtualClock(now_ms)
        self.journal = MemoryJournal()
        self.journal.listener = self._took_effect
        self.tables = Tables()
        self.committed = 0
        self.mocks = Mocks()
        """For instances that are created later."""
        self.mocks_by_workflow: dict[str, Mocks] = {}
        self.duplicates = False
        self.order: Random | None = None
        self.writes = 0
        self.dies_at: int | None = None
        self.ran_again: list[str] = []
        """Bodies that were started although their step was over: none, or the engine is wrong."""
        self._instance_mocks: dict[InstanceKey, Mocks] = {}
        self._in_memory_max = in_memory_max
        self._numbers = itertools.count(1)
        self._news = asyncio.Event()
        journal = self.journal
        judging = FoldedJournal(journal.follow)
        self.control = Control(journal, judging, clock=self.clock, new_id=self.new_id)
        self._workers = 0
        self.worker = self._start_worker()

    # --- what happens -------------------------------------------------------------------------

    async def drive(
        self, done: Callable[[], bool], *, until_ms: int, wait_for_bodies: bool = True
    ) -> bool:
        """Let things happen until `done`; False: nothing more can, before it is `until_ms`."""
        for turn in itertools.count(1):
            if done():
                return True
            if self.worker.is_dead:
                self.crash()
            elif self.worker.turn():
                if turn % TURNS_AT_ONCE == 0:
                    await asyncio.sleep(0)
            elif await self._bodies_end(wait=wait_for_bodies):
                pass
            elif not self._let_time_pass(until_ms):
                return False
        raise AssertionError

    def crash(self) -> None:
        """The worker dies; another one starts."""
        self.worker.die()
        self.worker = self._start_worker()
        self.has_news()

    async def _bodies_end(self, *, wait: bool) -> bool:
        """Let a body end, or several that are held back; False: none does, or is waited for."""
        bodies = self.worker.bodies
        if bodies.held:
            while bodies.running and await self._news_within(HELD_BACK_S):
                pass
            bodies.tell_one()
            return True
        if not bodies.running:
            return False
        if not wait:
            self._news.clear()
            for _ in range(TURNS_FOR_BODIES):
                await asyncio.sleep(0)
            return self._news.is_set()
        while not await self._news_within(EXPLAINED_AFTER_S):
            log.warning("time stands still while these run", steps=bodies.running_names)
        return True

    async def _news_within(self, seconds: float) -> bool:
        """Whether there is something to do before so much real time has passed."""
        self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _let_time_pass(self, until_ms: int) -> bool:
        at_ms = self.worker.next_ms()
        if at_ms is None or at_ms > until_ms:
            return False
        self.set_time(at_ms)
        return True

    def set_time(self, at_ms: int) -> None:
        """It is that late now."""
        self.clock.now_ms = max(self.clock.now_ms, at_ms)
        self.worker.owner.tick()

    # --- mocks --------------------------------------------------------------------------------

    def mocks_of(self, key: InstanceKey) -> Mocks:
        """What the test has changed about an instance."""
        return self._instance_mocks.setdefault(key, Mocks())

    def _took_effect(self, judged: Judgement) -> None:
        self.has_news()
        key = judged.key
        if isinstance(judged.record, InstanceCreated):
            mocks = self._instance_mocks[key] = Mocks()
            mocks.update(self.mocks)
            mocks.update(self.mocks_by_workflow.get(key.workflow, Mocks()))
        if isinstance(judged.record, InstanceCreated | RestartRequested):
            self.send_mocked_events(key)

    def send_mocked_events(self, key: InstanceKey) -> None:
        """Send an instance those of its mocked events that its present run has not got."""
        kept = [it for it in self.journal.history(key) if isinstance(it, EventReceived)]
        for number, (event_type, payload) in enumerate(self.mocks_of(key).events):
            name = f"mock-{number}-"
            if not any(event.event_id.startswith(name) for event in kept):
                event_id = f"{name}{len(self.journal.records)}"
                event = EventReceived(event_type, payload, self.clock(), event_id)
                self.journal.put(key.encode(), codec.encode(event))

    # --- workers ------------------------------------------------------------------------------

    def may_write(self) -> bool:
        """Whether the worker lives to make one more write."""
        self.writes += 1
        return self.writes != self.dies_at

    def starts(self, job: Job) -> None:
        """A body is about to run."""
        if self.journal.end_of(job.instance, job.step.key) is not None:
            self.ran_again.append(f"{job.instance}: step {job.step.key}")

    def has_news(self) -> None:
        """Whoever waits for bodies looks again."""
        self._news.set()

    def new_id(self) -> str:
        """The same ids in the same order in every test."""
        return f"test-{next(self._numbers)}"

    def _start_worker(self) -> Worker:
        self._workers += 1
        worker = Worker(self, self._workers, self._in_memory_max)
        worker.bodies.order = self.order
        return worker
